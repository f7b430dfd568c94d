"""Hands its arguments to the host of a test, and ends as that says."""

import json
import os
import socket
import sys

with socket.socket(socket.AF_UNIX) as connection:
    connection.connect(os.environ["SYSTEMCTL"])
    connection.sendall(json.dumps(sys.argv[1:]).encode() + b"\n")
    code, said = json.loads(connection.makefile().read())
sys.stdout.write(said)
sys.exit(code)
