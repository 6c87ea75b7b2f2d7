// Prints what a group has committed, a line a partition: topic, partition, position, metadata as hex of its UTF-16 units.
// Run from source, with Kafka's own client on the class path: java -cp 'lib/*' committed-offsets.java BROKERS GROUP
import java.nio.charset.StandardCharsets;
import java.util.HexFormat;
import java.util.Map;
import org.apache.kafka.clients.admin.Admin;

class CommittedOffsets {
    public static void main(String[] args) throws Exception {
        try (var admin = Admin.create(Map.of("bootstrap.servers", args[0]))) {
            var committed = admin.listConsumerGroupOffsets(args[1]).partitionsToOffsetAndMetadata().get();
            var lines = new StringBuilder();
            committed.forEach((partition, position) -> {
                var units = position.metadata().getBytes(StandardCharsets.UTF_16BE);
                lines.append(partition.topic()).append('\t').append(partition.partition()).append('\t')
                    .append(position.offset()).append('\t').append(HexFormat.of().formatHex(units)).append('\n');
            });
            System.out.print(lines);
        }
    }
}
