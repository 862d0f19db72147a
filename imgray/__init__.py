"""imgray: durable image processing on Ray. Submit, get an id, watch, download; lose nothing."""
