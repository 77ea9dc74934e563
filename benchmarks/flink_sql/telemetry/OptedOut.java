package telemetry;

import java.util.HashSet;
import java.util.List;
import org.apache.flink.table.functions.ScalarFunction;

/** Whether an account is on the list of those that have opted out: SQL's NOT IN, as a set. */
public class OptedOut extends ScalarFunction {
  private final HashSet<String> accounts;

  public OptedOut(List<String> accounts) {
    this.accounts = new HashSet<>(accounts);
  }

  public boolean eval(String account) {
    return account != null && accounts.contains(account);
  }
}
