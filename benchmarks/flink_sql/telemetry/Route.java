package telemetry;

import org.apache.flink.table.functions.ScalarFunction;

/** A path without its query, with {id} for every segment that has a digit and seven more after it. */
public class Route extends ScalarFunction {
  private static final int AFTER_DIGIT = 7;

  public String eval(String path) {
    if (path == null) {
      return null;
    }
    int query = path.indexOf('?');
    int length = query < 0 ? path.length() : query;
    StringBuilder route = new StringBuilder(length);
    int start = 0;
    while (start < length) {
      int slash = path.indexOf('/', start + 1);
      int end = slash < 0 || slash > length ? length : slash;
      if (path.charAt(start) == '/' && isId(path, start + 1, end)) {
        route.append("/{id}");
      } else {
        route.append(path, start, end);
      }
      start = end;
    }
    return route.toString();
  }

  private static boolean isId(String path, int start, int end) {
    for (int i = start; i < end - AFTER_DIGIT; i++) {
      char c = path.charAt(i);
      if (c >= '0' && c <= '9') {
        return true;
      }
    }
    return false;
  }
}
