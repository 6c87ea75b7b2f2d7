"""Counts the records of each key and minute with Faust, or sums their amounts, and writes each change: it closes windows by the
clock on the wall. Its settings are in the environment."""

import os
import sys
from datetime import timedelta

import faust

app = faust.App(
    os.environ["GROUP"],
    broker="kafka://" + os.environ["BROKERS"],
    store="memory://",
    datadir=os.environ["FOLDER"],
    processing_guarantee=os.environ["GUARANTEE"],
    broker_commit_interval=0.1,
    topic_partitions=int(os.environ["PARTITIONS"]),
    topic_replication_factor=1,
    consumer_auto_offset_reset="earliest",
    web_enabled=False,
)
has_orders = os.environ["VALUES"] == "orders"


class Order(faust.Record, serializer="json"):
    id: int
    amount: int
    timestamp: int
    note: str


values = {"value_type": Order} if has_orders else {"value_type": bytes, "value_serializer": "raw"}
records = app.topic(os.environ["TOPIC"], key_type=str, **values)
totals = app.topic(os.environ["OUTPUT"], key_type=str, value_type=int)
size = timedelta(milliseconds=int(os.environ["SIZE_MS"]))
# The time of its record, which is the order's as well.
windows = app.Table("windows", default=int).tumbling(size, expires=size).relative_to_stream()


@app.agent(records)
async def add(stream):
    async for key, value in stream.items():
        windows[key] += value.amount if has_orders else 1
        await totals.send(key=key, value=windows[key].current())


sys.argv = ["faust", "worker", "--loglevel=warn"]
app.main()
