"""The Ray Serve application: ``serve run serve_app:app``. Settings come from ``IMGRAY_*``."""

from imgray.errors import BadSettingError
from imgray.frontend.deployment import build_application
from imgray.settings import Settings

settings = Settings.having()
if settings.tls_cert is not None:  # it would be thought to hold
    raise BadSettingError("TLS_CERT", "`serve run` opens its port itself, in clear; `imgray serve` ends TLS")
app = build_application(settings)
