"""Counts the records of each key with Quix Streams, and writes the counts. Its settings are in the environment."""

import os

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
records = app.topic(os.environ["TOPIC"], key_deserializer="bytes", value_deserializer="bytes")
counts = app.topic(os.environ["OUTPUT"], key_serializer="bytes", value_serializer="int")


def count(_value, state):
    total = state.get("total", 0) + 1
    state.set("total", total)
    return total


app.dataframe(records).apply(count, stateful=True).to_topic(counts)
app.run()
