"""What functions have inside: `forkpool serve examples/reports.py` offers each as reports.NAME."""

import logging
import time

import forkpool

log = logging.getLogger("reports")


def yearly(year, months=12):
    """A total for each month; its progress is in the job."""
    job = forkpool.current_job()
    log.info("report for %s, attempt %d of job %s", year, job.attempt, job.id)
    totals = []
    for month in range(1, months + 1):
        time.sleep(0.05)
        totals.append(month * year)
        forkpool.progress(month, months, f"{year}-{month:02}")
    return totals


def squares(n: int):
    """The squares of the first n numbers, one by one."""
    for x in range(n):
        yield x * x
