"""Reads a topic to its end as one who sees only what is committed does, and prints it: a record a line, as JSON.

Arguments: brokers, topic. Keys and values are text.
"""

import json
import sys

from confluent_kafka import Consumer, TopicPartition

brokers, topic = sys.argv[1:]
consumer = Consumer(
    {
        "bootstrap.servers": brokers,
        "group.id": f"{topic}-foreign",
        "enable.auto.commit": False,
        "enable.partition.eof": True,
        "isolation.level": "read_committed",
    }
)
partitions = consumer.list_topics(topic, 20).topics[topic].partitions
consumer.assign([TopicPartition(topic, partition, 0) for partition in partitions])
unfinished = set(partitions)
while unfinished:
    for message in consumer.consume(5000, 1.0):
        if message.error() is not None:
            # Of the last offset that is stable: what an open transaction may hold back is not read.
            unfinished.discard(message.partition())
            continue
        headers = {name: value.decode() for name, value in message.headers() or []}
        record = {
            "partition": message.partition(),
            "offset": message.offset(),
            "key": message.key().decode(),
            "value": message.value().decode(),
            "headers": headers,
        }
        print(json.dumps(record))
consumer.close()
