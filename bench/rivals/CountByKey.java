// Counts the records of each key with Kafka Streams, and writes the counts. Run from source, its settings in the environment:
// java -cp 'lib/*' CountByKey.java
import java.util.Properties;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.kstream.Consumed;
import org.apache.kafka.streams.kstream.Materialized;
import org.apache.kafka.streams.kstream.Produced;
import org.apache.kafka.streams.state.Stores;

class CountByKey {
    public static void main(String[] args) {
        var keys = Serdes.ByteArray();
        var builder = new StreamsBuilder();
        // RocksDB is its default, and has to be asked for by a name here.
        var store = setting("STORE").equals("memory")
            ? Stores.inMemoryKeyValueStore("counts")
            : Stores.persistentKeyValueStore("counts");
        builder.stream(setting("TOPIC"), Consumed.with(keys, Serdes.ByteArray()))
            .groupByKey()
            .count(Materialized.<byte[], Long>as(store).withKeySerde(keys).withValueSerde(Serdes.Long()))
            .toStream()
            .to(setting("OUTPUT"), Produced.with(keys, Serdes.Long()));

        var properties = new Properties();
        properties.put("bootstrap.servers", setting("BROKERS"));
        properties.put("application.id", setting("GROUP"));
        properties.put("state.dir", setting("FOLDER"));
        properties.put("processing.guarantee", setting("GUARANTEE"));
        properties.put("statestore.cache.max.bytes", setting("CACHE_BYTES"));
        properties.put("num.stream.threads", setting("THREADS"));
        properties.put("commit.interval.ms", "100");
        properties.put("auto.offset.reset", "earliest");
        var streams = new KafkaStreams(builder.build(), properties);
        streams.setUncaughtExceptionHandler(error -> {
            error.printStackTrace();
            Runtime.getRuntime().halt(1);
            return null;
        });
        Runtime.getRuntime().addShutdownHook(new Thread(streams::close));
        streams.start();
    }

    private static String setting(String name) {
        return System.getenv(name);
    }
}
