"""Trainings beside the server that began them."""

import gc
import os
import signal
import time

from pondera.workbench.served import Served
from pondera.workbench.trainings import RUNNING, STARTING, Trainings


def test_a_training_that_the_server_leaves_to_itself_goes_on(folder, recwarn):
    gc.collect()
    recwarn.clear()  # of what other tests left
    trainings = Trainings(Served(folder))
    options = ["--target=kind", "--recipe=plain", "--epochs=1000000", "--learning-rate=1e-6"]
    trainings.start("left", options, "signs.csv")
    process = trainings._processes["left"]
    assert trainings.activity("left") in (STARTING, RUNNING)
    number = process.pid
    trainings.let_go()
    del process, trainings
    gc.collect()
    assert not [each for each in recwarn if each.category is ResourceWarning]
    os.kill(number, 0)  # it is still there
    again = Trainings(Served(folder))
    for _ in range(3000):  # however busy the machine is
        if again.activity("left") == RUNNING:
            break
        time.sleep(0.1)
    assert again.activity("left") == RUNNING
    os.kill(number, signal.SIGKILL)
    os.waitpid(number, 0)
