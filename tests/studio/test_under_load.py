"""What takes longer: requests made up from the API's own description, and many at once."""

import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import httpx2
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis.errors import Unsatisfiable

from .serving import command

pytestmark = pytest.mark.slow


def test_no_request_made_up_from_its_description_breaks_it(trained):
    schemathesis = pytest.importorskip("schemathesis", reason="needs [dev]")
    with command(trained / "run") as (_, address):
        (run,) = httpx2.get(f"{address}/api/runs").json()["runs"]
        schema = schemathesis.openapi.from_url(f"{address}/openapi.json")
        seen = Counter()
        for operation in schema.get_all_operations():
            for mode in schemathesis.GenerationMode:

                @settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
                @given(case=operation.ok().as_strategy(generation_mode=mode))
                def speak(case):
                    # Nobody guesses a fingerprint: where one is given, it is the open run's.
                    body = case.body if isinstance(case.body, dict) else {}
                    for place in (case.query, body, body.get("piece")):
                        if isinstance(place, dict) and isinstance(place.get("run"), str):
                            place["run"] = run["fingerprint"]
                    answer = case.call()
                    seen[answer.status_code] += 1
                    assert answer.status_code < 500 or answer.status_code == 503, answer.text

                with suppress(Unsatisfiable):  # what takes no parameters has no wrong ones
                    speak()
        assert httpx2.get(f"{address}/api/runs").status_code == 200
    assert seen[200] > 25, seen
    assert seen[422] > 50, seen


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads memory from /proc")
def test_fifty_requests_at_once_leave_it_answering_with_flat_memory(trained):
    with command(trained / "run") as (process, address):
        (run,) = httpx2.get(f"{address}/api/runs").json()["runs"]
        begun = httpx2.post(f"{address}/api/begin", json={"run": run["fingerprint"]}).json()

        def ask(seed):
            asked = {"piece": begun["recipe"], "bars": 16, "seed": seed}
            answer = httpx2.post(f"{address}/api/compose", json=asked, timeout=120)
            if answer.status_code == 503:
                assert "queue is full" in answer.json()["error"]
            else:
                assert answer.text.count('"event": "bar"') == 16
            return answer.status_code

        def memory_mb():
            (line,) = [
                line
                for line in Path(f"/proc/{process.pid}/status").read_text().splitlines()
                if line.startswith("VmRSS")
            ]
            return int(line.split()[1]) / 1024

        used = []
        for nth in range(8):
            with ThreadPoolExecutor(50) as pool:
                asking = [pool.submit(ask, 50 * nth + i) for i in range(50)]
                page = httpx2.get(f"{address}/", timeout=5)
                statuses = Counter(each.result() for each in asking)
            assert page.status_code == 200
            assert set(statuses) <= {200, 503}
            assert statuses[200] >= 33  # one at work, 32 waiting
            used.append(memory_mb())
    assert used[-1] - used[3] < 15, used
