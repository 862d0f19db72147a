"""What grpcurl does: call a service that one knows nothing about but what it tells by reflection, with JSON."""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Mapping
from typing import Any

import grpc
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.json_format import MessageToDict, Parse
from google.protobuf.message_factory import GetMessageClass
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase

TIMEOUT_S = 60


def grpcurl(command: str, variables: Mapping[str, str]) -> list[Any]:
    """Run a command line; return the names that it lists, or the messages that it gets."""
    for name, value in variables.items():
        command = command.replace(f"${name}", value)
    parser = argparse.ArgumentParser()
    parser.add_argument("-plaintext", action="store_true", required=True)
    parser.add_argument("-H", dest="headers", action="append", default=[])
    parser.add_argument("-d", dest="data", default="{}")
    parser.add_argument("address")
    parser.add_argument("what", nargs="+")
    program, *arguments = shlex.split(command.replace("\\\n", " "))
    assert program == "grpcurl"
    given = parser.parse_args(arguments)
    metadata = [
        (name.strip().lower(), value.strip()) for name, _, value in (one.partition(":") for one in given.headers)
    ]
    with grpc.insecure_channel(given.address) as channel:
        known = ProtoReflectionDescriptorDatabase(channel)
        pool = DescriptorPool(known)
        match given.what:
            case ["list"]:
                return sorted(known.get_services())
            case ["list" | "describe", service]:
                return [method.name for method in pool.FindServiceByName(service).methods]
            case [path]:
                return _called(channel, pool, path, given.data, metadata)
    raise AssertionError(given.what)


def _called(channel: grpc.Channel, pool: DescriptorPool, path: str, data: str, metadata: Any) -> list[Any]:
    service, _, name = path.partition("/")
    method = pool.FindServiceByName(service).methods_by_name[name]
    request = Parse(data, GetMessageClass(method.input_type)())
    kind = channel.unary_stream if method.server_streaming else channel.unary_unary
    call: Any = kind(
        f"/{path}",
        request_serializer=type(request).SerializeToString,
        response_deserializer=GetMessageClass(method.output_type).FromString,
    )
    answer = call(request, metadata=metadata, timeout=TIMEOUT_S)
    messages = list(answer) if method.server_streaming else [answer]
    return [MessageToDict(message) for message in messages]
