"""The end of the server: its streams end, and it says nothing but that it was interrupted."""

import signal
import threading

import httpx2


def test_ctrl_c_with_an_open_page(begin, folder):
    address, process = begin(folder)
    with httpx2.Client(base_url=address.split("/?")[0], timeout=60) as client:
        client.get(f"/?{address.split('?')[1]}")
        with client.stream("GET", "/api/run/events?run=none") as answer:
            lines = answer.iter_lines()
            assert next(lines).startswith("data: ")
            rest = []
            reading = threading.Thread(target=lambda: rest.extend(lines))
            reading.start()
            process.send_signal(signal.SIGINT)
            process.wait(60)
            reading.join(60)
    assert process.returncode in (0, 130)
    said = "".join(process.said)
    assert "Traceback" not in said
    assert "Cancel" not in said
