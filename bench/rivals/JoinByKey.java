// Joins two streams with Kafka Streams: records of one key that are no further apart than WITHIN_MS. Run from source, its settings in
// the environment: java -cp 'lib/*' JoinByKey.java
import java.nio.ByteBuffer;
import java.time.Duration;
import java.util.Properties;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.kstream.Consumed;
import org.apache.kafka.streams.kstream.JoinWindows;
import org.apache.kafka.streams.kstream.Produced;
import org.apache.kafka.streams.kstream.StreamJoined;
import org.apache.kafka.streams.state.Stores;

class JoinByKey {
    public static void main(String[] args) {
        var bytes = Serdes.ByteArray();
        var within = Duration.ofMillis(Long.parseLong(setting("WITHIN_MS")));
        var builder = new StreamsBuilder();
        var left = builder.stream(setting("TOPIC"), Consumed.with(bytes, bytes));
        var right = builder.stream(setting("RIGHT"), Consumed.with(bytes, bytes));
        var joined = StreamJoined.with(bytes, bytes, bytes);
        if (setting("STORE").equals("memory")) {
            var size = within.multipliedBy(2);
            joined = joined
                .withThisStoreSupplier(Stores.inMemoryWindowStore("left", size, size, true))
                .withOtherStoreSupplier(Stores.inMemoryWindowStore("right", size, size, true));
        }
        left.join(right, JoinByKey::pair, JoinWindows.ofTimeDifferenceWithNoGrace(within), joined)
            .to(setting("OUTPUT"), Produced.with(bytes, bytes));

        var properties = new Properties();
        properties.put("bootstrap.servers", setting("BROKERS"));
        properties.put("application.id", setting("GROUP"));
        properties.put("state.dir", setting("FOLDER"));
        properties.put("processing.guarantee", setting("GUARANTEE"));
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

    /** Which of its key's records each of the two is. */
    private static byte[] pair(byte[] left, byte[] right) {
        return ByteBuffer.allocate(8).put(left, 4, 4).put(right, 4, 4).array();
    }

    private static String setting(String name) {
        return System.getenv(name);
    }
}
