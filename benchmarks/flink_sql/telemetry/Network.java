package telemetry;

import org.apache.flink.table.functions.ScalarFunction;

/** The /16 (IPv4) or /32 (IPv6, written in full) of an address; null for anything else. */
public class Network extends ScalarFunction {
  public String eval(String address) {
    if (address == null) {
      return null;
    }
    boolean six = address.indexOf(':') >= 0;
    char separator = six ? ':' : '.';
    int first = address.indexOf(separator);
    int second = first < 0 ? -1 : address.indexOf(separator, first + 1);
    if (second < 0) {
      return null;
    }
    return address.substring(0, second) + (six ? "::/32" : ".0.0/16");
  }
}
