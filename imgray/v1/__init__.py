"""The gRPC interface, `imgray.v1`: its definition, and the code that scripts/generate_grpc.py makes of it.

The folders mirror the proto package, since generated code imports by them. What is released is only added to: the
number and the meaning of a field never change.
"""
