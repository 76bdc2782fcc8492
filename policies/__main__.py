"""Serves the policy pack to the engine, until the engine ends this process."""

import os
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

# The engine runs this folder as a program, but the rules import each other as the package `policies`.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import grpc
from pulumi.runtime.proto import analyzer_pb2_grpc

from policies.analyzer import Analyzer
from policies.pack import chosen

# As in the SDK: a request about a stack has all of its resources.
_LARGEST_BYTES = 400 << 20

if __name__ == "__main__":
    server = grpc.server(ThreadPoolExecutor(4), options=[("grpc.max_receive_message_length", _LARGEST_BYTES)])
    analyzer_pb2_grpc.add_AnalyzerServicer_to_server(Analyzer(chosen(os.environ)), server)
    # The engine reads the port from the first line.
    print(server.add_insecure_port("127.0.0.1:0"), flush=True)
    server.start()
    server.wait_for_termination()
