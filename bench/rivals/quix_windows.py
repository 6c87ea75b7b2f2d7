"""Counts the records of each key and minute with Quix Streams, or sums their amounts, and writes what each window was when it
closed. Its settings are in the environment."""

import os
from datetime import timedelta

from quixstreams import Application

app = Application(
    broker_address=os.environ["BROKERS"],
    consumer_group=os.environ["GROUP"],
    processing_guarantee=os.environ["GUARANTEE"],
    commit_interval=0.1,
    auto_offset_reset="earliest",
    auto_create_topics=True,
    state_dir=os.environ["FOLDER"],
    loglevel="WARNING",
)
has_orders = os.environ["VALUES"] == "orders"


def time_of(value, headers, timestamp, timestamp_type):
    return value["timestamp"]


records = app.topic(
    os.environ["TOPIC"],
    key_deserializer="bytes",
    value_deserializer="json" if has_orders else "bytes",
    timestamp_extractor=time_of if has_orders else None,
)
totals = app.topic(os.environ["OUTPUT"], key_serializer="bytes", value_serializer="json")

stream = app.dataframe(records)
if has_orders:
    stream = stream.apply(lambda order: order["amount"])
windows = stream.tumbling_window(timedelta(milliseconds=int(os.environ["SIZE_MS"])))
results = windows.sum() if has_orders else windows.count()
results.final().to_topic(totals)
app.run()
