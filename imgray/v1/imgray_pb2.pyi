import datetime

from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class SubmitOptions(_message.Message):
    __slots__ = ("pipeline", "outputs", "label", "tenant", "priority", "expires_at", "deduplicate", "idempotency_key", "accept", "target", "wait_for_worker")
    PIPELINE_FIELD_NUMBER: _ClassVar[int]
    OUTPUTS_FIELD_NUMBER: _ClassVar[int]
    LABEL_FIELD_NUMBER: _ClassVar[int]
    TENANT_FIELD_NUMBER: _ClassVar[int]
    PRIORITY_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_AT_FIELD_NUMBER: _ClassVar[int]
    DEDUPLICATE_FIELD_NUMBER: _ClassVar[int]
    IDEMPOTENCY_KEY_FIELD_NUMBER: _ClassVar[int]
    ACCEPT_FIELD_NUMBER: _ClassVar[int]
    TARGET_FIELD_NUMBER: _ClassVar[int]
    WAIT_FOR_WORKER_FIELD_NUMBER: _ClassVar[int]
    pipeline: str
    outputs: _containers.RepeatedCompositeFieldContainer[NamedPipeline]
    label: str
    tenant: str
    priority: int
    expires_at: _timestamp_pb2.Timestamp
    deduplicate: bool
    idempotency_key: str
    accept: str
    target: Target
    wait_for_worker: bool
    def __init__(self, pipeline: _Optional[str] = ..., outputs: _Optional[_Iterable[_Union[NamedPipeline, _Mapping]]] = ..., label: _Optional[str] = ..., tenant: _Optional[str] = ..., priority: _Optional[int] = ..., expires_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., deduplicate: _Optional[bool] = ..., idempotency_key: _Optional[str] = ..., accept: _Optional[str] = ..., target: _Optional[_Union[Target, _Mapping]] = ..., wait_for_worker: _Optional[bool] = ...) -> None: ...

class Target(_message.Message):
    __slots__ = ("worker", "node", "labels")
    class LabelsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    WORKER_FIELD_NUMBER: _ClassVar[int]
    NODE_FIELD_NUMBER: _ClassVar[int]
    LABELS_FIELD_NUMBER: _ClassVar[int]
    worker: str
    node: str
    labels: _containers.ScalarMap[str, str]
    def __init__(self, worker: _Optional[str] = ..., node: _Optional[str] = ..., labels: _Optional[_Mapping[str, str]] = ...) -> None: ...

class NamedPipeline(_message.Message):
    __slots__ = ("name", "pipeline")
    NAME_FIELD_NUMBER: _ClassVar[int]
    PIPELINE_FIELD_NUMBER: _ClassVar[int]
    name: str
    pipeline: str
    def __init__(self, name: _Optional[str] = ..., pipeline: _Optional[str] = ...) -> None: ...

class SubmitRequest(_message.Message):
    __slots__ = ("options", "image", "path")
    OPTIONS_FIELD_NUMBER: _ClassVar[int]
    IMAGE_FIELD_NUMBER: _ClassVar[int]
    PATH_FIELD_NUMBER: _ClassVar[int]
    options: SubmitOptions
    image: bytes
    path: str
    def __init__(self, options: _Optional[_Union[SubmitOptions, _Mapping]] = ..., image: _Optional[bytes] = ..., path: _Optional[str] = ...) -> None: ...

class UploadRequest(_message.Message):
    __slots__ = ("options", "chunk", "size_bytes")
    OPTIONS_FIELD_NUMBER: _ClassVar[int]
    CHUNK_FIELD_NUMBER: _ClassVar[int]
    SIZE_BYTES_FIELD_NUMBER: _ClassVar[int]
    options: SubmitOptions
    chunk: bytes
    size_bytes: int
    def __init__(self, options: _Optional[_Union[SubmitOptions, _Mapping]] = ..., chunk: _Optional[bytes] = ..., size_bytes: _Optional[int] = ...) -> None: ...

class GetRequest(_message.Message):
    __slots__ = ("id",)
    ID_FIELD_NUMBER: _ClassVar[int]
    id: str
    def __init__(self, id: _Optional[str] = ...) -> None: ...

class WaitRequest(_message.Message):
    __slots__ = ("id", "wait_s")
    ID_FIELD_NUMBER: _ClassVar[int]
    WAIT_S_FIELD_NUMBER: _ClassVar[int]
    id: str
    wait_s: float
    def __init__(self, id: _Optional[str] = ..., wait_s: _Optional[float] = ...) -> None: ...

class CancelRequest(_message.Message):
    __slots__ = ("id",)
    ID_FIELD_NUMBER: _ClassVar[int]
    id: str
    def __init__(self, id: _Optional[str] = ...) -> None: ...

class ListTasksRequest(_message.Message):
    __slots__ = ("states", "tenant", "code", "cursor", "limit")
    STATES_FIELD_NUMBER: _ClassVar[int]
    TENANT_FIELD_NUMBER: _ClassVar[int]
    CODE_FIELD_NUMBER: _ClassVar[int]
    CURSOR_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    states: _containers.RepeatedScalarFieldContainer[Task.State]
    tenant: str
    code: str
    cursor: str
    limit: int
    def __init__(self, states: _Optional[_Iterable[_Union[Task.State, str]]] = ..., tenant: _Optional[str] = ..., code: _Optional[str] = ..., cursor: _Optional[str] = ..., limit: _Optional[int] = ...) -> None: ...

class ListTasksResponse(_message.Message):
    __slots__ = ("tasks", "next_cursor")
    TASKS_FIELD_NUMBER: _ClassVar[int]
    NEXT_CURSOR_FIELD_NUMBER: _ClassVar[int]
    tasks: _containers.RepeatedCompositeFieldContainer[Task]
    next_cursor: str
    def __init__(self, tasks: _Optional[_Iterable[_Union[Task, _Mapping]]] = ..., next_cursor: _Optional[str] = ...) -> None: ...

class DownloadRequest(_message.Message):
    __slots__ = ("id", "output")
    ID_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_FIELD_NUMBER: _ClassVar[int]
    id: str
    output: str
    def __init__(self, id: _Optional[str] = ..., output: _Optional[str] = ...) -> None: ...

class DownloadResponse(_message.Message):
    __slots__ = ("output", "chunk")
    OUTPUT_FIELD_NUMBER: _ClassVar[int]
    CHUNK_FIELD_NUMBER: _ClassVar[int]
    output: Output
    chunk: bytes
    def __init__(self, output: _Optional[_Union[Output, _Mapping]] = ..., chunk: _Optional[bytes] = ...) -> None: ...

class Task(_message.Message):
    __slots__ = ("id", "state", "label", "tenant", "priority", "attempts", "submitted_at", "expires_at", "finished_at", "error", "outputs")
    class State(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        STATE_UNSPECIFIED: _ClassVar[Task.State]
        QUEUED: _ClassVar[Task.State]
        LEASED: _ClassVar[Task.State]
        SUCCEEDED: _ClassVar[Task.State]
        FAILED: _ClassVar[Task.State]
        CANCELLED: _ClassVar[Task.State]
    STATE_UNSPECIFIED: Task.State
    QUEUED: Task.State
    LEASED: Task.State
    SUCCEEDED: Task.State
    FAILED: Task.State
    CANCELLED: Task.State
    ID_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    LABEL_FIELD_NUMBER: _ClassVar[int]
    TENANT_FIELD_NUMBER: _ClassVar[int]
    PRIORITY_FIELD_NUMBER: _ClassVar[int]
    ATTEMPTS_FIELD_NUMBER: _ClassVar[int]
    SUBMITTED_AT_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_AT_FIELD_NUMBER: _ClassVar[int]
    FINISHED_AT_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    OUTPUTS_FIELD_NUMBER: _ClassVar[int]
    id: str
    state: Task.State
    label: str
    tenant: str
    priority: int
    attempts: int
    submitted_at: _timestamp_pb2.Timestamp
    expires_at: _timestamp_pb2.Timestamp
    finished_at: _timestamp_pb2.Timestamp
    error: Error
    outputs: _containers.RepeatedCompositeFieldContainer[Output]
    def __init__(self, id: _Optional[str] = ..., state: _Optional[_Union[Task.State, str]] = ..., label: _Optional[str] = ..., tenant: _Optional[str] = ..., priority: _Optional[int] = ..., attempts: _Optional[int] = ..., submitted_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., expires_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., finished_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., error: _Optional[_Union[Error, _Mapping]] = ..., outputs: _Optional[_Iterable[_Union[Output, _Mapping]]] = ...) -> None: ...

class Error(_message.Message):
    __slots__ = ("code", "message")
    CODE_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    code: str
    message: str
    def __init__(self, code: _Optional[str] = ..., message: _Optional[str] = ...) -> None: ...

class Output(_message.Message):
    __slots__ = ("name", "pipeline", "format", "content_type", "width", "height", "size_bytes", "sha256")
    NAME_FIELD_NUMBER: _ClassVar[int]
    PIPELINE_FIELD_NUMBER: _ClassVar[int]
    FORMAT_FIELD_NUMBER: _ClassVar[int]
    CONTENT_TYPE_FIELD_NUMBER: _ClassVar[int]
    WIDTH_FIELD_NUMBER: _ClassVar[int]
    HEIGHT_FIELD_NUMBER: _ClassVar[int]
    SIZE_BYTES_FIELD_NUMBER: _ClassVar[int]
    SHA256_FIELD_NUMBER: _ClassVar[int]
    name: str
    pipeline: str
    format: str
    content_type: str
    width: int
    height: int
    size_bytes: int
    sha256: str
    def __init__(self, name: _Optional[str] = ..., pipeline: _Optional[str] = ..., format: _Optional[str] = ..., content_type: _Optional[str] = ..., width: _Optional[int] = ..., height: _Optional[int] = ..., size_bytes: _Optional[int] = ..., sha256: _Optional[str] = ...) -> None: ...

class ListWorkersRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ListWorkersResponse(_message.Message):
    __slots__ = ("workers",)
    WORKERS_FIELD_NUMBER: _ClassVar[int]
    workers: _containers.RepeatedCompositeFieldContainer[Worker]
    def __init__(self, workers: _Optional[_Iterable[_Union[Worker, _Mapping]]] = ...) -> None: ...

class Worker(_message.Message):
    __slots__ = ("id", "name", "state", "node", "host", "pid", "version", "cores", "labels", "operations", "commands", "registered_at", "last_seen_at", "leased", "running", "succeeded", "failed", "images_per_s", "memory_bytes")
    class State(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        STATE_UNSPECIFIED: _ClassVar[Worker.State]
        ACTIVE: _ClassVar[Worker.State]
        DRAINING: _ClassVar[Worker.State]
        LOST: _ClassVar[Worker.State]
    STATE_UNSPECIFIED: Worker.State
    ACTIVE: Worker.State
    DRAINING: Worker.State
    LOST: Worker.State
    class LabelsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    NODE_FIELD_NUMBER: _ClassVar[int]
    HOST_FIELD_NUMBER: _ClassVar[int]
    PID_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    CORES_FIELD_NUMBER: _ClassVar[int]
    LABELS_FIELD_NUMBER: _ClassVar[int]
    OPERATIONS_FIELD_NUMBER: _ClassVar[int]
    COMMANDS_FIELD_NUMBER: _ClassVar[int]
    REGISTERED_AT_FIELD_NUMBER: _ClassVar[int]
    LAST_SEEN_AT_FIELD_NUMBER: _ClassVar[int]
    LEASED_FIELD_NUMBER: _ClassVar[int]
    RUNNING_FIELD_NUMBER: _ClassVar[int]
    SUCCEEDED_FIELD_NUMBER: _ClassVar[int]
    FAILED_FIELD_NUMBER: _ClassVar[int]
    IMAGES_PER_S_FIELD_NUMBER: _ClassVar[int]
    MEMORY_BYTES_FIELD_NUMBER: _ClassVar[int]
    id: str
    name: str
    state: Worker.State
    node: str
    host: str
    pid: int
    version: str
    cores: int
    labels: _containers.ScalarMap[str, str]
    operations: _containers.RepeatedScalarFieldContainer[str]
    commands: _containers.RepeatedScalarFieldContainer[str]
    registered_at: _timestamp_pb2.Timestamp
    last_seen_at: _timestamp_pb2.Timestamp
    leased: int
    running: _containers.RepeatedScalarFieldContainer[str]
    succeeded: int
    failed: int
    images_per_s: float
    memory_bytes: int
    def __init__(self, id: _Optional[str] = ..., name: _Optional[str] = ..., state: _Optional[_Union[Worker.State, str]] = ..., node: _Optional[str] = ..., host: _Optional[str] = ..., pid: _Optional[int] = ..., version: _Optional[str] = ..., cores: _Optional[int] = ..., labels: _Optional[_Mapping[str, str]] = ..., operations: _Optional[_Iterable[str]] = ..., commands: _Optional[_Iterable[str]] = ..., registered_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., last_seen_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., leased: _Optional[int] = ..., running: _Optional[_Iterable[str]] = ..., succeeded: _Optional[int] = ..., failed: _Optional[int] = ..., images_per_s: _Optional[float] = ..., memory_bytes: _Optional[int] = ...) -> None: ...

class StartJobRequest(_message.Message):
    __slots__ = ("command", "path", "arguments", "target", "wait_for_worker", "label", "tenant", "priority", "expires_at")
    class ArgumentsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    COMMAND_FIELD_NUMBER: _ClassVar[int]
    PATH_FIELD_NUMBER: _ClassVar[int]
    ARGUMENTS_FIELD_NUMBER: _ClassVar[int]
    TARGET_FIELD_NUMBER: _ClassVar[int]
    WAIT_FOR_WORKER_FIELD_NUMBER: _ClassVar[int]
    LABEL_FIELD_NUMBER: _ClassVar[int]
    TENANT_FIELD_NUMBER: _ClassVar[int]
    PRIORITY_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_AT_FIELD_NUMBER: _ClassVar[int]
    command: str
    path: str
    arguments: _containers.ScalarMap[str, str]
    target: Target
    wait_for_worker: bool
    label: str
    tenant: str
    priority: int
    expires_at: _timestamp_pb2.Timestamp
    def __init__(self, command: _Optional[str] = ..., path: _Optional[str] = ..., arguments: _Optional[_Mapping[str, str]] = ..., target: _Optional[_Union[Target, _Mapping]] = ..., wait_for_worker: _Optional[bool] = ..., label: _Optional[str] = ..., tenant: _Optional[str] = ..., priority: _Optional[int] = ..., expires_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class StopJobRequest(_message.Message):
    __slots__ = ("worker_id", "job_id")
    WORKER_ID_FIELD_NUMBER: _ClassVar[int]
    JOB_ID_FIELD_NUMBER: _ClassVar[int]
    worker_id: str
    job_id: str
    def __init__(self, worker_id: _Optional[str] = ..., job_id: _Optional[str] = ...) -> None: ...

class StopJobResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class QueryJobRequest(_message.Message):
    __slots__ = ("worker_id", "job_id")
    WORKER_ID_FIELD_NUMBER: _ClassVar[int]
    JOB_ID_FIELD_NUMBER: _ClassVar[int]
    worker_id: str
    job_id: str
    def __init__(self, worker_id: _Optional[str] = ..., job_id: _Optional[str] = ...) -> None: ...

class QueryJobResponse(_message.Message):
    __slots__ = ("done", "error", "error_text")
    DONE_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    ERROR_TEXT_FIELD_NUMBER: _ClassVar[int]
    done: bool
    error: bool
    error_text: str
    def __init__(self, done: _Optional[bool] = ..., error: _Optional[bool] = ..., error_text: _Optional[str] = ...) -> None: ...

class StreamJobRequest(_message.Message):
    __slots__ = ("job_id", "offset", "follow")
    JOB_ID_FIELD_NUMBER: _ClassVar[int]
    OFFSET_FIELD_NUMBER: _ClassVar[int]
    FOLLOW_FIELD_NUMBER: _ClassVar[int]
    job_id: str
    offset: int
    follow: bool
    def __init__(self, job_id: _Optional[str] = ..., offset: _Optional[int] = ..., follow: _Optional[bool] = ...) -> None: ...

class StreamJobResponse(_message.Message):
    __slots__ = ("stream", "offset", "at", "data", "ended")
    class Stream(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        STREAM_UNSPECIFIED: _ClassVar[StreamJobResponse.Stream]
        STDOUT: _ClassVar[StreamJobResponse.Stream]
        STDERR: _ClassVar[StreamJobResponse.Stream]
    STREAM_UNSPECIFIED: StreamJobResponse.Stream
    STDOUT: StreamJobResponse.Stream
    STDERR: StreamJobResponse.Stream
    class Ended(_message.Message):
        __slots__ = ("error_text", "at")
        ERROR_TEXT_FIELD_NUMBER: _ClassVar[int]
        AT_FIELD_NUMBER: _ClassVar[int]
        error_text: str
        at: _timestamp_pb2.Timestamp
        def __init__(self, error_text: _Optional[str] = ..., at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...
    STREAM_FIELD_NUMBER: _ClassVar[int]
    OFFSET_FIELD_NUMBER: _ClassVar[int]
    AT_FIELD_NUMBER: _ClassVar[int]
    DATA_FIELD_NUMBER: _ClassVar[int]
    ENDED_FIELD_NUMBER: _ClassVar[int]
    stream: StreamJobResponse.Stream
    offset: int
    at: _timestamp_pb2.Timestamp
    data: bytes
    ended: StreamJobResponse.Ended
    def __init__(self, stream: _Optional[_Union[StreamJobResponse.Stream, str]] = ..., offset: _Optional[int] = ..., at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., data: _Optional[bytes] = ..., ended: _Optional[_Union[StreamJobResponse.Ended, _Mapping]] = ...) -> None: ...
