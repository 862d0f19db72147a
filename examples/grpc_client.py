"""A client of the gRPC interface.

Submit a picture, wait for it, and fetch the result; or start a command on a worker, and follow what it writes:

    python examples/grpc_client.py image localhost:9000 pictures/sunset.jpg grey.webp --pipeline grayscale/convert:webp
    python examples/grpc_client.py job localhost:9000 worker-1 count --path /srv/jobs/count.sh

The key comes from the environment, IMGRAY_KEY. With --ca FILE the connection is one of TLS. It uses nothing of imgray
but imgray.v1, which a client in another language makes of imgray/v1/imgray.proto.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc

from imgray.v1 import imgray_pb2 as pb
from imgray.v1 import imgray_pb2_grpc

CHUNK_BYTES = 2**20


def connected(address: str, ca: Path | None) -> grpc.Channel:
    """Return a channel, of TLS if there is an authority to trust."""
    if ca is None:
        return grpc.insecure_channel(address)
    return grpc.secure_channel(address, grpc.ssl_channel_credentials(ca.read_bytes()))


def upload(picture: Path, pipeline: str) -> Iterator[pb.UploadRequest]:
    """Say what is to be made of a picture, then send it in chunks, and say that this was all."""
    yield pb.UploadRequest(options=pb.SubmitOptions(pipeline=pipeline, label=picture.name))
    with picture.open("rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            yield pb.UploadRequest(chunk=chunk)
        yield pb.UploadRequest(size_bytes=file.tell())


def process(imgray: Any, key: Any, picture: Path, result: Path, pipeline: str) -> None:  # noqa: ANN401  # made code
    """Have a picture processed."""
    task = imgray.Upload(upload(picture, pipeline), metadata=key)
    while task.state in {pb.Task.QUEUED, pb.Task.LEASED}:
        task = imgray.Wait(pb.WaitRequest(id=task.id), metadata=key)
    if task.state != pb.Task.SUCCEEDED:
        sys.exit(f"{task.error.code}: {task.error.message}")
    with result.open("wb") as file:
        for part in imgray.Download(pb.DownloadRequest(id=task.id), metadata=key):
            file.write(part.chunk)  # the first part has none: it describes the output
    print(f"{result}: {result.stat().st_size:,} bytes, task {task.id}")


def run(imgray: Any, key: Any, worker: str, command: str, path: str) -> None:  # noqa: ANN401
    """Run a command on a worker, show what it writes as it does, and end as it ends."""
    asked = pb.StartJobRequest(command=command, path=path, target=pb.Target(worker=worker))
    job = imgray.StartJob(asked, metadata=key)
    error = ""
    for part in imgray.StreamJob(pb.StreamJobRequest(job_id=job.id, follow=True), metadata=key):
        stream = sys.stderr if part.stream == pb.StreamJobResponse.STDERR else sys.stdout
        stream.buffer.write(part.data)
        stream.flush()
        error = part.ended.error_text  # only the last part has one, if it ended badly
    sys.exit(error or 0)


def main() -> None:
    """Do what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    kinds = parser.add_subparsers(dest="kind", required=True)
    image, job = kinds.add_parser("image"), kinds.add_parser("job")
    for one in (image, job):
        one.add_argument("address")
        one.add_argument("--ca", type=Path)
    image.add_argument("picture", type=Path)
    image.add_argument("result", type=Path)
    image.add_argument("--pipeline", default="convert:png")
    job.add_argument("worker")
    job.add_argument("command")
    job.add_argument("--path", default="")
    given = parser.parse_args()

    key = (("authorization", f"Bearer {os.environ.get('IMGRAY_KEY', '')}"),)
    with connected(given.address, given.ca) as channel:
        imgray = imgray_pb2_grpc.ImgrayStub(channel)
        try:
            if given.kind == "image":
                process(imgray, key, given.picture, given.result, given.pipeline)
            else:
                run(imgray, key, given.worker, given.command, given.path)
        except grpc.RpcError as error:
            sys.exit(f"{error.code().name}: {error.details()}")


if __name__ == "__main__":
    main()
