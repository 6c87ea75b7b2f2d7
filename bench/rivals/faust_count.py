"""Counts the records of each key with Faust, and writes the counts. Its settings are in the environment."""

import os
import sys

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
records = app.topic(os.environ["TOPIC"], key_type=bytes, value_type=bytes, value_serializer="raw")
counts = app.topic(os.environ["OUTPUT"], key_type=bytes, value_type=int)
totals = app.Table("totals", key_type=bytes, default=int)


@app.agent(records)
async def count(stream):
    async for key, _value in stream.items():
        totals[key] += 1
        await counts.send(key=key, value=totals[key])


sys.argv = ["faust", "worker", "--loglevel=warn"]
app.main()
