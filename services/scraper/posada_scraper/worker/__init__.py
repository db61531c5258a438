"""Takes jobs from the queue and does them.

`pool` takes deliveries and settles them · `attempt` does one job once · `journal` writes what happens into the log
"""

from posada_scraper.worker.pool import Worker, job_queue

__all__ = ["Worker", "job_queue"]
