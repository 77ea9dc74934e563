package telemetry;

import java.nio.file.Files;
import java.nio.file.Path;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.table.api.EnvironmentSettings;
import org.apache.flink.table.api.TableEnvironment;
import org.apache.flink.table.api.TableResult;

/**
 * Send the statements of a file to a cluster and wait until the last one's job has ended.
 *
 * <p>Arguments: port of the JobManager, file of statements, file of opted-out accounts, key.
 */
public class Submit {
  public static void main(String[] words) throws Exception {
    Configuration configuration = new Configuration();
    configuration.setString("execution.target", "remote");
    configuration.setString("parallelism.default", "1");
    configuration.setString("rest.address", "localhost");
    configuration.setString("rest.port", words[0]);
    TableEnvironment tables =
        TableEnvironment.create(
            EnvironmentSettings.newInstance()
                .inStreamingMode()
                .withConfiguration(configuration)
                .build());
    tables.getConfig().set("table.local-time-zone", "UTC");
    tables.getConfig().set("pipeline.object-reuse", "true");
    tables.createTemporarySystemFunction("token", new Token(words[3]));
    tables.createTemporarySystemFunction("network", new Network());
    tables.createTemporarySystemFunction("route", new Route());
    tables.createTemporarySystemFunction(
        "opted_out", new OptedOut(Files.readAllLines(Path.of(words[2]))));
    TableResult last = null;
    for (String statement : Files.readString(Path.of(words[1])).split(";")) {
      if (!statement.isBlank()) {
        last = tables.executeSql(statement);
      }
    }
    last.await();
  }
}
