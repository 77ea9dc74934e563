package telemetry;

import java.nio.charset.StandardCharsets;
import java.security.GeneralSecurityException;
import javax.crypto.Mac;
import javax.crypto.spec.SecretKeySpec;
import org.apache.flink.table.functions.FunctionContext;
import org.apache.flink.table.functions.ScalarFunction;

/** The first 32 hexadecimal digits of an account's HMAC-SHA-256; null for no account. */
public class Token extends ScalarFunction {
  private static final char[] DIGITS = "0123456789abcdef".toCharArray();
  private static final int BYTES = 16;

  private final String key;
  private transient Mac mac;
  private transient char[] digits;

  public Token(String key) {
    this.key = key;
  }

  @Override
  public void open(FunctionContext context) throws GeneralSecurityException {
    mac = Mac.getInstance("HmacSHA256");
    mac.init(new SecretKeySpec(key.getBytes(StandardCharsets.UTF_8), "HmacSHA256"));
    digits = new char[2 * BYTES];
  }

  public String eval(String account) {
    if (account == null) {
      return null;
    }
    byte[] hash = mac.doFinal(account.getBytes(StandardCharsets.UTF_8));
    for (int i = 0; i < BYTES; i++) {
      digits[2 * i] = DIGITS[(hash[i] >> 4) & 15];
      digits[2 * i + 1] = DIGITS[hash[i] & 15];
    }
    return new String(digits);
  }
}
