// Counts the records of each key and minute with Kafka Streams, or sums their amounts, and writes what each window was when it
// closed. Run from source, its settings in the environment: java -cp 'lib/*' WindowsByKey.java
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.time.Duration;
import java.util.Properties;
import org.apache.kafka.common.serialization.Serde;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.common.utils.Bytes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.kstream.Consumed;
import org.apache.kafka.streams.kstream.EmitStrategy;
import org.apache.kafka.streams.kstream.KTable;
import org.apache.kafka.streams.kstream.Materialized;
import org.apache.kafka.streams.kstream.Produced;
import org.apache.kafka.streams.kstream.Suppressed;
import org.apache.kafka.streams.kstream.TimeWindowedKStream;
import org.apache.kafka.streams.kstream.TimeWindows;
import org.apache.kafka.streams.kstream.Windowed;
import org.apache.kafka.streams.kstream.WindowedSerdes;
import org.apache.kafka.streams.state.Stores;
import org.apache.kafka.streams.state.WindowStore;

class WindowsByKey {
    record Order(long id, long amount, long timestamp, String note) {}

    private static final ObjectMapper JSON = new ObjectMapper();
    private static final Duration SIZE = Duration.ofMillis(Long.parseLong(setting("SIZE_MS")));

    public static void main(String[] args) {
        var builder = new StreamsBuilder();
        var totals = setting("VALUES").equals("orders") ? sums(builder) : counts(builder);
        if (setting("EMIT").equals("suppress"))
            totals = totals.suppress(Suppressed.untilWindowCloses(Suppressed.BufferConfig.unbounded()));
        var keys = WindowedSerdes.timeWindowedSerdeFrom(byte[].class, SIZE.toMillis());
        totals.toStream().to(setting("OUTPUT"), Produced.with(keys, Serdes.Long()));

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

    private static KTable<Windowed<byte[]>, Long> counts(StreamsBuilder builder) {
        var stream = builder.stream(setting("TOPIC"), Consumed.with(Serdes.ByteArray(), Serdes.ByteArray()));
        return windowed(stream.groupByKey().windowedBy(windows())).count(store());
    }

    private static KTable<Windowed<byte[]>, Long> sums(StreamsBuilder builder) {
        // They are read only.
        Serde<Order> orders = Serdes.serdeFrom(
            (topic, order) -> { throw new UnsupportedOperationException(); },
            (topic, bytes) -> orderOf(bytes)
        );
        var consumed = Consumed.with(Serdes.ByteArray(), orders)
            .withTimestampExtractor((record, partitionTime) -> ((Order) record.value()).timestamp());
        return windowed(builder.stream(setting("TOPIC"), consumed).groupByKey().windowedBy(windows()))
            .aggregate(() -> 0L, (key, order, sum) -> sum + order.amount(), store());
    }

    private static Order orderOf(byte[] bytes) {
        try {
            return JSON.readValue(bytes, Order.class);
        } catch (IOException error) {
            throw new UncheckedIOException(error);
        }
    }

    private static TimeWindows windows() {
        return TimeWindows.ofSizeWithNoGrace(SIZE);
    }

    private static <V> TimeWindowedKStream<byte[], V> windowed(TimeWindowedKStream<byte[], V> stream) {
        return setting("EMIT").equals("close") ? stream.emitStrategy(EmitStrategy.onWindowClose()) : stream;
    }

    private static Materialized<byte[], Long, WindowStore<Bytes, byte[]>> store() {
        // RocksDB is its default, and has to be asked for by a name here.
        var store = setting("STORE").equals("memory")
            ? Stores.inMemoryWindowStore("windows", SIZE, SIZE, false)
            : Stores.persistentWindowStore("windows", SIZE, SIZE, false);
        return Materialized.<byte[], Long>as(store).withKeySerde(Serdes.ByteArray()).withValueSerde(Serdes.Long());
    }

    private static String setting(String name) {
        return System.getenv(name);
    }
}
