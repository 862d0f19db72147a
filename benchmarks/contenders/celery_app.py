"""What Celery's workers load; broker and result backend come from the command line there, from `celery_redis` here."""

from __future__ import annotations

from celery import Celery
from contenders.work import nothing, process_file

app = Celery("bench")
process = app.task(process_file, name="process")
idle = app.task(nothing, name="idle")
