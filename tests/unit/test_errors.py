from __future__ import annotations

import pickle

import pytest

from imgray import errors
from imgray.errors import ImgrayError

EXAMPLES: dict[str, tuple[object, ...]] = {
    "BadSettingError": ("PORT", "too high"),
    "MethodNotAllowedError": ("PUT", "/x"),
    "NotAnImageError": (" It is a PDF.",),
    "RouteNotFoundError": ("GET", "/x"),
    "BadArgumentError": ("swap", "channels: must differ."),
    "BodyTooLargeError": (1000,),
    "CommitsLostError": ("/data/journal.sqlite3", 3, 1000),
    "DataInUseError": ("/data",),
    "DestinationUnwritableError": ("/out/a.png", "no space left"),
    "ImageCorruptError": ("bad checksum",),
    "ImageTruncatedError": ("3 bytes missing",),
    "FontNotFoundError": ("NotoSansCJK-Regular.ttc", "there is no such file"),
    "HostNotAllowedError": ("evil.example",),
    "FormatNotInstalledError": ("HEIC",),
    "TooWideError": (70_000, 2, 65_535),
    "TooManyFramesError": (2_000, 1_000),
    "FrameNotFoundError": (3, 7),
    "TooManyScansError": (9_999, 256),
    "MetadataTooLargeError": (5_000_000, 4_194_304),
    "OutputTooLargeError": (9_000, 1_000),
    "EncodingFailedError": ("gif", "odd size"),
    "CommandFailedError": ("charcoal", "exit status 1", "no such file"),
    "CommandTimeoutError": ("charcoal", 20.0),
    "OperationFailedError": ("dream", "ValueError: images do not match"),
    "TooLargeForFormatError": (20_000, 20, "webp", 16_383),
    "InputLostError": ("ab",),
    "JournalCorruptError": ("/data/journal.sqlite3", "not a database"),
    "JobArgumentError": ("size", "it must be from 1 to 9"),
    "JournalError": ("disk full",),
    "JournalNewerError": ("/data/journal.sqlite3", 9, 2),
    "LeaseLostError": ("ab", 17, "the task is queued"),
    "KeysNeededError": ("0.0.0.0",),
    "RateLimitedError": ("ci", "submissions_per_s", 5.0, 3),
    "ScopeMissingError": ("ci", "operate"),
    "UnauthenticatedError": ("A key is needed.",),
    "OutputNotFoundError": ("ab", "thumbnail"),
    "OverlayError": ("/logos/mark.png", "The image is empty: 0 bytes were sent."),
    "PathNotAllowedError": ("/etc/passwd",),
    "PeerNotAllowedError": ("ipv4:192.0.2.1:4321",),
    "ServiceNotFoundError": ("another.v1.Service",),
    "TooManyWatchersError": (100,),
    "UploadCutError": (1_000_000,),
    "QueueFullError": ("10 tasks wait or run",),
    "SourceUnreadableError": ("/a.png", "permission denied"),
    "DeadlinePassedError": ("ab",),
    "IdempotencyConflictError": ("ab", "order-17"),
    "OutputLostError": ("ab", "image", "missing"),
    "CommandNotAllowedError": ("rm", "Allowed are: count"),
    "JobNotFoundError": ("ab", "worker-1"),
    "JobTimeoutError": (60.0,),
    "NotACommandError": ("ab",),
    "TargetLostError": ("worker-1.0a1b2c3d",),
    "WorkerNotFoundError": ("label gpu=true",),
    "WorkersReturningError": ("label gpu=true",),
    "TaskLiveError": ("ab",),
    "TooMuchAtOnceError": (536_870_912,),
    "RequestTooLargeError": (1_048_576,),
    "TaskCancelledError": ("ab",),
    "TaskConflictError": ("ab",),
    "TaskFailedError": ("ab", "image_corrupt", 422, "The image is corrupt."),
    "TaskNotFoundError": ("ab",),
    "TaskNotReadyError": ("ab", "queued"),
    "TaskTimeoutError": (120.0,),
    "TooManyPixelsError": (9, 9, 80, 2),
    "UnknownOperationError": ("swop", "GET /v1/operations lists them all."),
    "WorkerDiedError": ("signal SIGKILL",),
}


def every_class() -> list[type[ImgrayError]]:
    return [value for value in vars(errors).values() if isinstance(value, type) and issubclass(value, ImgrayError)]


def make(kind: type[ImgrayError]) -> ImgrayError:
    plain = ("Something is wrong.",) if kind.sentence == "{0}" else ()
    return kind(*EXAMPLES.get(kind.__name__, plain))


@pytest.mark.parametrize("kind", every_class())
def test_an_error_survives_pickling_with_its_code_and_sentence(kind: type[ImgrayError]) -> None:
    error = make(kind)
    again = pickle.loads(pickle.dumps(error))  # noqa: S301  # what was pickled a moment ago
    assert (type(again), str(again), again.code, again.status) == (kind, str(error), error.code, error.status)


def test_codes_are_unique() -> None:
    codes = [kind.code for kind in every_class()]
    assert len(codes) == len(set(codes))


@pytest.mark.parametrize("kind", every_class())
def test_a_sentence_is_whole_and_ends_as_one(kind: type[ImgrayError]) -> None:
    sentence = str(make(kind))
    assert sentence[0].isupper() or sentence.startswith(("'", "imgray"))
    assert sentence.endswith(".")
    assert "{" not in sentence
