"""Inside a network namespace: hands connections to a port of its loopback on to a Unix socket.

The program to run comes after port and socket in the arguments; it replaces this process, whose
child goes on relaying. Run by its text, because its file is not visible there.
"""

import os
import socket
import sys
import threading

CHUNK = 65536


def main() -> None:
    port, path, argv = int(sys.argv[1]), sys.argv[2], sys.argv[3:]
    listener = socket.create_server(("127.0.0.1", port), backlog=64)
    if os.fork():
        listener.close()
        os.execv(argv[0], argv)
    # Who reads the program's output waits until nobody can write to it any more.
    quiet = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(quiet, descriptor)
    while True:
        threading.Thread(target=_serve, args=(listener.accept()[0], path), daemon=True).start()


def _serve(near: socket.socket, path: str) -> None:
    far = socket.socket(socket.AF_UNIX)
    try:
        far.connect(path)
    except OSError:
        near.close()
        return
    back = threading.Thread(target=_copy, args=(far, near), daemon=True)
    back.start()
    _copy(near, far)
    back.join()
    near.close()
    far.close()


def _copy(source: socket.socket, target: socket.socket) -> None:
    """Until either side has closed; the end is handed on."""
    try:
        while data := source.recv(CHUNK):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)
    except OSError:
        pass


if __name__ == "__main__":
    main()
