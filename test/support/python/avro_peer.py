"""Confluent's serializers for Python: a question a line in, an answer a line out.

Values go as Python writes them (`repr`), so that no digit and no type is lost on the way.
"""
import base64
import datetime
import json
import sys
from decimal import Decimal
from uuid import UUID

from confluent_kafka import DeserializingConsumer, SerializingProducer
from confluent_kafka.schema_registry import Schema, SchemaReference, SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroDeserializer, AvroSerializer
from confluent_kafka.serialization import MessageField, SerializationContext

names = {
    "datetime": datetime,
    "Decimal": Decimal,
    "UUID": UUID,
    "nan": float("nan"),
    "inf": float("inf"),
}


def value_of(text):
    return eval(text, dict(names))


registry = SchemaRegistryClient({"url": sys.argv[1]})


def schema_of(question):
    """Text where that will do: of a schema like "long" the serializer takes nothing else."""
    if "references" not in question:
        return question["schema"]
    references = [SchemaReference(**each) for each in question["references"]]
    return Schema(question["schema"], "AVRO", references)


def serializer_of(question):
    return AvroSerializer(registry, schema_of(question))


def deserializer_of(question):
    schema = schema_of(question) if "schema" in question else None
    return AvroDeserializer(registry, schema, return_record_name=question.get("names", False))


def place(question):
    return SerializationContext(question["topic"], MessageField.VALUE)


def serialize(question):
    data = serializer_of(question)(value_of(question["value"]), place(question))
    return base64.b64encode(data).decode()


def deserialize(question):
    return repr(deserializer_of(question)(base64.b64decode(question["bytes"]), place(question)))


def register(question):
    schema = schema_of({"references": [], **question})
    return registry.register_schema(question["subject"], schema)


def produce(question):
    producer = SerializingProducer(
        {"bootstrap.servers": question["brokers"], "value.serializer": serializer_of(question)}
    )
    failed = []
    for text in question["values"]:
        producer.produce(
            question["topic"],
            key=question["key"],
            value=value_of(text),
            on_delivery=lambda error, _: failed.append(str(error)) if error else None,
        )
    if producer.flush(60) > 0 or failed:
        raise RuntimeError(f"not all were delivered: {failed}")
    return len(question["values"])


def consume(question):
    consumer = DeserializingConsumer(
        {
            "bootstrap.servers": question["brokers"],
            "group.id": question["group"],
            "auto.offset.reset": "earliest",
            "value.deserializer": deserializer_of(question),
        }
    )
    consumer.subscribe([question["topic"]])
    values = []
    while len(values) < question["count"]:
        message = consumer.poll(1)
        if message is not None:
            values.append(repr(message.value()))
    consumer.close()
    return values


questions = {each.__name__: each for each in (serialize, deserialize, register, produce, consume)}

for line in sys.stdin:
    try:
        question = json.loads(line)
        answer = {"answer": questions[question.pop("do")](question)}
    except Exception as error:
        answer = {"error": f"{type(error).__name__}: {error}"}
    print(json.dumps(answer), flush=True)
