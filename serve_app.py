"""The Ray Serve application: ``serve run serve_app:app``. Settings come from ``IMGRAY_*``."""

from imgray.frontend.deployment import build_application
from imgray.settings import Settings

app = build_application(Settings.having())
