"""Calls within a machine, over real sockets: what arrives, who is refused, and what becomes of calls that break."""

from __future__ import annotations

import asyncio
import os
import pickle
import signal
import socket
import struct
import sys
import threading
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imgray import wire
from imgray.actors import transport
from imgray.actors.transport import RayTransport
from imgray.errors import ImgrayError, OutputLostError, QueueFullError
from imgray.ports import (
    MasterPort,
    RemoteMaster,
    RemoteStorage,
    RemoteWorkers,
    StoragePort,
    UnansweredError,
    WorkersPort,
)
from imgray.wire import Address, BrokenError, Caller, Listening, connect, methods_of

pytestmark = pytest.mark.skipif(not wire.AVAILABLE, reason="only Linux has such names")

WAIT_S = 30.0
METHODS = frozenset({"echo", "after", "refuse", "lose", "fail", "strange"})
HEADER = struct.Struct("!Q")


class Part:
    """What is called."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.gates: defaultdict[str, asyncio.Event] = defaultdict(asyncio.Event)
        self.begun: defaultdict[str, asyncio.Event] = defaultdict(asyncio.Event)

    async def echo(self, value: Any) -> Any:
        self.asked.append("echo")
        return value

    async def after(self, gate: str) -> str:
        self.begun[gate].set()
        await self.gates[gate].wait()
        return gate

    async def refuse(self) -> None:
        raise QueueFullError("live tasks", 7)

    async def lose(self, task_id: str) -> None:
        raise OutputLostError(task_id, "image", "missing")

    async def fail(self) -> None:
        raise ZeroDivisionError("{nothing} is to be divided")

    async def strange(self) -> Any:
        return lambda: None  # which no pickle can hold

    async def hidden(self) -> None:
        self.asked.append("hidden")


@asynccontextmanager
async def listening(part: Part) -> AsyncIterator[Address]:
    there = Listening(part, METHODS)
    try:
        yield there.address
    finally:
        await there.close()
        for _ in range(10):  # what was connected hears of the end
            await asyncio.sleep(0)


@asynccontextmanager
async def connected(part: Part) -> AsyncIterator[Caller]:
    async with asyncio.timeout(WAIT_S), listening(part) as address:
        caller = await connect(address)
        try:
            yield caller
        finally:
            caller.close()


def frame(message: object) -> bytes:
    body = pickle.dumps(message)
    return HEADER.pack(len(body)) + body


def messages(data: bytes) -> Iterator[Any]:
    """Read the frames that were written."""
    while data:
        (length,) = HEADER.unpack_from(data)
        yield pickle.loads(data[HEADER.size : HEADER.size + length])  # noqa: S301  # written by this test
        data = data[HEADER.size + length :]


def a_call(number: int, method: str, *arguments: Any) -> object:
    return wire._Call(number, method, arguments)  # noqa: SLF001  # as another process would write it


class Touch:
    """Something whose loading leaves a file behind."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Callable[[Path], None], tuple[Path]]:
        return Path.touch, (self.path,)


async def written(address: Address, data: bytes) -> bytes:
    """Write bytes to a process, as anybody might, and return what it answers before it ends the connection."""
    async with asyncio.timeout(WAIT_S):
        reader, writer = await asyncio.open_unix_connection(address.name)
        answer = b""
        with suppress(ConnectionError):
            writer.write(data)
            while piece := await reader.read(1 << 16):
                answer += piece
        writer.close()
        return answer


# Calls and answers


async def test_a_call_is_answered_with_what_the_method_returns() -> None:
    async with connected(Part()) as caller:
        for value in (None, 7, b"\0" * 100, {"a": (1, [2.5, "ü"])}):
            assert await caller.call("echo", (value,)) == value


async def test_many_calls_at_once_are_each_given_their_own_answer_in_whatever_order() -> None:
    part = Part()
    names = [f"call {number}" for number in range(200)]
    async with connected(part) as caller:
        answered: list[str] = []

        async def ask(name: str) -> None:
            assert await caller.call("after", (name,)) == name
            answered.append(name)

        async with asyncio.TaskGroup() as calls:
            for name in names:
                calls.create_task(ask(name))
            for name in names:
                await part.begun[name].wait()
            assert answered == []
            for name in reversed(names):
                part.gates[name].set()
        assert answered == names[::-1]


async def test_a_call_that_waits_holds_up_no_other() -> None:
    part = Part()
    async with connected(part) as caller:
        waiting = asyncio.ensure_future(caller.call("after", ("a",)))
        await part.begun["a"].wait()
        assert await caller.call("echo", (1,)) == 1
        assert not waiting.done()
        part.gates["a"].set()
        assert await waiting == "a"


async def test_a_message_that_is_large_arrives_whole_both_ways_among_small_ones() -> None:
    large = os.urandom(5_000_000)
    async with connected(Part()) as caller:
        answers = await asyncio.gather(*(caller.call("echo", (value,)) for value in (1, large, 2, large[::-1], 3)))
    assert answers == [1, large, 2, large[::-1], 3]


async def test_several_callers_have_their_answers_apart() -> None:
    part = Part()
    async with asyncio.timeout(WAIT_S), listening(part) as address:
        callers = [await connect(address) for _ in range(5)]
        answers = await asyncio.gather(*(caller.call("echo", (number,)) for number, caller in enumerate(callers)))
        assert answers == [0, 1, 2, 3, 4]
        callers[0].close()
        assert await callers[1].call("echo", (1,)) == 1
        for caller in callers:
            caller.close()


# Errors


async def test_an_error_of_ours_comes_back_as_itself() -> None:
    async with connected(Part()) as caller:
        with pytest.raises(QueueFullError) as full:
            await caller.call("refuse", ())
        with pytest.raises(OutputLostError) as lost:
            await caller.call("lose", ("a task",))
    assert (type(full.value), full.value.args) == (QueueFullError, ("live tasks", 7))
    assert str(lost.value) == str(OutputLostError("a task", "image", "missing"))


async def test_any_other_exception_becomes_a_sentence_and_the_next_call_works() -> None:
    async with connected(Part()) as caller:
        with pytest.raises(ImgrayError) as failed:
            await caller.call("fail", ())
        assert str(failed.value) == "Unexpected ZeroDivisionError: {nothing} is to be divided"
        assert failed.value.code == "internal_error"
        with pytest.raises(ImgrayError, match="Unexpected TypeError"):
            await caller.call("echo", (1, 2, 3))
        assert await caller.call("echo", (1,)) == 1


@pytest.mark.parametrize("method", ["hidden", "__init__", "__reduce__", "gates", "nothing", ""])
async def test_only_the_methods_that_are_named_can_be_called(method: str) -> None:
    part = Part()
    async with connected(part) as caller:
        with pytest.raises(ImgrayError, match=f"There is no call '{method}'"):
            await caller.call(method, ())
    assert part.asked == []


async def test_an_answer_that_cannot_travel_is_an_error_and_no_silence() -> None:
    async with connected(Part()) as caller, asyncio.timeout(10):
        with pytest.raises(ImgrayError):
            await caller.call("strange", ())


async def test_arguments_that_cannot_travel_are_the_callers_error_and_the_next_call_works() -> None:
    async with connected(Part()) as caller:
        with pytest.raises((pickle.PicklingError, AttributeError, TypeError)):
            await caller.call("echo", (lambda: None,))
        assert await caller.call("echo", (1,)) == 1


@pytest.mark.parametrize(
    ("port", "remote"), [(MasterPort, RemoteMaster), (StoragePort, RemoteStorage), (WorkersPort, RemoteWorkers)]
)
def test_what_is_called_of_a_part_is_what_may_be(port: type, remote: type) -> None:
    assert methods_of(port) == {name for name in vars(remote) if not name.startswith("_")}


# Who may call


def wrong_secrets(secret: bytes) -> dict[str, bytes]:
    return {
        "other": bytes(len(secret)),
        "last bit": secret[:-1] + bytes([secret[-1] ^ 1]),
        "one byte short": secret[:-1],
        "none": b"",
        "backwards": secret[::-1],
    }


@pytest.mark.parametrize("wrong", wrong_secrets(b"x" * 32))
async def test_of_whoever_does_not_know_the_secret_nothing_is_read(tmp_path: Path, wrong: str) -> None:
    part = Part()
    async with listening(part) as address:
        bait = frame(a_call(1, "echo", Touch(tmp_path / "loaded")))
        assert await written(address, wrong_secrets(address.secret)[wrong] + bait + bytes(64)) == b""
        assert not (tmp_path / "loaded").exists()
        assert part.asked == []
        caller = await connect(address)  # who knows it can still call
        assert await caller.call("echo", (Touch(tmp_path / "loaded"),)) is None
        caller.close()
    assert (tmp_path / "loaded").exists(), "the bait does nothing: the test shows nothing"


async def test_of_a_process_of_another_user_nothing_is_read_though_it_knows_the_secret(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    part = Part()
    async with listening(part) as address:
        bait = frame(a_call(1, "echo", Touch(tmp_path / "loaded")))
        with monkeypatch.context() as patch:
            patch.setattr("os.geteuid", lambda: os.getuid() + 1)
            assert await written(address, address.secret + bait) == b""
        assert not (tmp_path / "loaded").exists()
        assert part.asked == []
        caller = await connect(address)
        assert await caller.call("echo", (1,)) == 1
        caller.close()


async def test_a_process_of_another_user_that_took_the_name_is_not_told_the_secret(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    heard: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            heard.set_result(await reader.read(1 << 16))
        writer.close()

    name = f"\0imgray-test-{os.getpid()}"
    async with asyncio.timeout(WAIT_S), await asyncio.start_unix_server(listen, name) as server:
        with monkeypatch.context() as patch:
            patch.setattr("os.geteuid", lambda: os.getuid() + 1)
            caller = await connect(Address(name, b"s" * 32))
            with pytest.raises(BrokenError):
                await caller.call("echo", (1,))
        assert await heard == b""
        server.close()


# Frames


class Recorder(asyncio.Transport):
    """A connection to nobody: it keeps what is written."""

    def __init__(self, connection: socket.socket) -> None:
        super().__init__({"socket": connection})
        self.data = b""
        self.ended = False

    def write(self, data: Any) -> None:
        self.data += bytes(data)

    def writelines(self, list_of_data: Any) -> None:
        self.data += b"".join(list_of_data)

    def is_closing(self) -> bool:
        return self.ended

    def abort(self) -> None:
        self.ended = True


@contextmanager
def recorded(protocol: asyncio.Protocol) -> Iterator[Recorder]:
    here, there = socket.socketpair()
    with here, there:
        recorder = Recorder(here)
        protocol.connection_made(recorder)
        yield recorder


def cut(data: bytes, lengths: Sequence[int]) -> Iterator[bytes]:
    """Cut bytes into pieces of these lengths, over and over."""
    while data:
        for length in lengths:
            yield data[:length]
            data = data[length:]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(1, 400), min_size=1, max_size=5), st.lists(st.binary(max_size=300), max_size=6))
def test_calls_are_understood_however_the_stream_is_cut(lengths: list[int], values: list[bytes]) -> None:
    async def check() -> None:
        secret = os.urandom(32)
        listener = wire._Listener(Part(), METHODS, secret)  # noqa: SLF001  # fed by hand
        stream = secret + b"".join(frame(a_call(number, "echo", value)) for number, value in enumerate(values))
        with recorded(listener) as recorder:
            for piece in cut(stream, lengths):
                listener.data_received(piece)
            while tasks := asyncio.all_tasks() - {asyncio.current_task()}:
                await asyncio.wait(tasks)
            answers = {answer.number: (answer.value, answer.error) for answer in messages(recorder.data)}
        assert answers == {number: (value, None) for number, value in enumerate(values)}
        assert not recorder.ended

    for piece_lengths in (lengths, [1], [1 << 20]):  # single bytes too, and all at once
        lengths = piece_lengths
        asyncio.run(check())


async def test_answers_in_any_order_cut_into_bytes_find_their_calls_and_others_are_dropped() -> None:
    caller = Caller(b"s" * 32)
    with recorded(caller) as recorder:
        calls = [asyncio.ensure_future(caller.call("echo", (number,))) for number in range(5)]
        await asyncio.sleep(0)
        assert recorder.data.startswith(b"s" * 32)
        asked = list(messages(recorder.data[32:]))
        answers = [wire._Answer(one.number, one.arguments[0]) for one in reversed(asked)]  # noqa: SLF001  # by hand
        stranger = wire._Answer(999, "nobody asked")  # noqa: SLF001  # the same
        for piece in cut(b"".join(map(frame, [stranger, *answers, *answers])), [1]):
            caller.data_received(piece)
        assert await asyncio.gather(*calls) == [0, 1, 2, 3, 4]


# What breaks


LISTENER = """
import asyncio, sys
from imgray.wire import Listening

class Part:
    async def never(self):
        print("called", flush=True)
        await asyncio.Event().wait()

    async def echo(self, value):
        return value

async def main():
    address = Listening(Part(), {"never", "echo"}).address
    print(address.name[1:], address.secret.hex(), flush=True)
    await asyncio.Event().wait()

asyncio.run(main())
"""


async def test_when_the_process_ends_the_calls_that_wait_are_told_at_once_and_later_ones_too() -> None:
    here = os.environ | {"PYTHONPATH": str(Path(wire.__file__).parents[1])}
    async with asyncio.timeout(WAIT_S * 2):
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", LISTENER, stdout=asyncio.subprocess.PIPE, env=here
        )
        assert process.stdout is not None
        name, secret = (await process.stdout.readline()).decode().split()
        address = Address(f"\0{name}", bytes.fromhex(secret))
        caller = await connect(address)
        assert await caller.call("echo", ("here",)) == "here"
        waiting = [asyncio.ensure_future(caller.call("never", ())) for _ in range(3)]
        for _ in waiting:
            await process.stdout.readline()
        assert caller.usable
        process.send_signal(signal.SIGKILL)
        for call in waiting:
            with pytest.raises(BrokenError):
                await call
        assert not caller.usable
        with pytest.raises(BrokenError):
            await caller.call("echo", ("there?",))
        await process.wait()
        with pytest.raises(BrokenError):
            await connect(address)


async def test_where_nobody_listens_or_no_more_nobody_can_be_reached() -> None:
    with pytest.raises(BrokenError):
        await connect(Address("\0imgray-nobody", bytes(32)))
    async with listening(Part()) as address:
        (await connect(address)).close()
    with pytest.raises(BrokenError):
        await connect(address)


async def test_every_process_has_an_address_of_its_own() -> None:
    async with listening(Part()) as one, listening(Part()) as other:
        assert one.name != other.name
        assert one.secret != other.secret
        assert (one.name[0], len(one.secret)) == ("\0", 32)


async def test_a_caller_is_of_use_only_in_the_event_loop_that_it_was_made_in() -> None:
    async with connected(Part()) as caller:
        elsewhere: list[bool] = []

        async def look() -> None:
            elsewhere.append(caller.usable)

        thread = threading.Thread(target=asyncio.run, args=(look(),))
        thread.start()
        await asyncio.to_thread(thread.join)
        assert elsewhere == [False]
        assert caller.usable
    assert await ended(caller)


async def ended(caller: Caller) -> bool:
    async with asyncio.timeout(WAIT_S):
        while caller.usable:
            await asyncio.sleep(0)
    return True


async def test_a_call_that_is_cancelled_is_forgotten_and_its_late_answer_dropped() -> None:
    part = Part()
    async with connected(part) as caller:
        waiting = asyncio.ensure_future(caller.call("after", ("late",)))
        await part.begun["late"].wait()
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        part.gates["late"].set()
        assert await caller.call("after", ("late",)) == "late"  # its answer comes after the late one
        assert caller.usable
        assert caller._waiting == {}  # noqa: SLF001  # nothing is kept of either


# The transport over it


@asynccontextmanager
async def transported(part: Part, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[tuple[RayTransport, list[Caller]]]:
    """Have a part found without Ray; the list is of the connections that were made to it."""
    made: list[Caller] = []
    async with asyncio.timeout(WAIT_S), listening(part) as address:

        async def find(_: str) -> tuple[None, Address]:
            return None, address

        async def connected_to(where: Address) -> Caller:
            made.append(await connect(where))
            return made[-1]

        monkeypatch.setattr(transport, "_find", find)
        monkeypatch.setattr(transport, "connect", connected_to)
        yield RayTransport(), made
        for caller in made:
            caller.close()


async def test_the_transport_calls_over_one_connection_until_it_breaks(monkeypatch: pytest.MonkeyPatch) -> None:
    async with transported(Part(), monkeypatch) as (transport, made):
        assert [await transport.call("master", "echo", (number,)) for number in range(5)] == [0, 1, 2, 3, 4]
        with pytest.raises(QueueFullError):
            await transport.call("master", "refuse", ())
        assert len(made) == 1
        waiting = asyncio.ensure_future(transport.call("master", "after", ("never",)))
        await asyncio.sleep(0)
        made[0].close()
        with pytest.raises(UnansweredError):
            await waiting
        assert await transport.call("master", "echo", (5,)) == 5
        assert [caller.usable for caller in made] == [False, True]


async def test_calls_of_the_transport_that_took_too_long_leave_no_connection_behind(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    part = Part()
    async with transported(part, monkeypatch) as (transport, made):
        for number in range(5):
            call = asyncio.ensure_future(transport.call("master", "after", (f"never {number}",)))
            await part.begun[f"never {number}"].wait()
            call.cancel()
            with pytest.raises(asyncio.CancelledError):
                await call
        assert await transport.call("master", "echo", (1,)) == 1
        await asyncio.sleep(0)
        assert [caller.usable for caller in made] == [True]
