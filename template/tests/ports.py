"""Ports for servers of the tests' own."""

import socket


def free_port() -> int:
    """A port on loopback that nobody listens on, and that the system gives to nobody else for a minute.

    A port that has just had a connection is kept back (TIME_WAIT), but from servers that ask for it by its number with
    SO_REUSEADDR, as they all do. So what starts slowly still finds it free.
    """
    with socket.socket() as server, socket.socket() as client:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        server.bind(("127.0.0.1", 0))
        server.listen()
        client.connect(server.getsockname())
        connection, _ = server.accept()
        # It is kept back on the side that closes first.
        connection.close()
        return server.getsockname()[1]
