"""A function is called in a fork, whatever it does there."""

import os
import subprocess
import time

from tests.mutants.fork import in_fork


def test_the_answer_of_a_function_comes_back_and_its_changes_do_not() -> None:
    here = [1]

    def extended() -> list[int]:
        here.append(2)
        return here

    assert [1, 2] == in_fork(extended, 60)
    assert [1] == here


def test_a_fork_that_ends_by_itself_has_no_answer() -> None:
    assert in_fork(lambda: os._exit(0), 60) is None
    assert in_fork(lambda: 1 // 0, 60) is None


def test_a_fork_that_does_not_end_is_ended_with_what_it_started() -> None:
    end, inside = os.pipe()
    os.set_inheritable(inside, True)

    def start() -> None:
        subprocess.Popen(["sleep", "600"], close_fds=False)
        time.sleep(600)

    assert in_fork(start, 0.5) is None
    os.close(inside)
    with os.fdopen(end) as pipe:
        assert "" == pipe.read()  # ends when nothing holds the other end
