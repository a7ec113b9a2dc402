package example;

import java.math.BigInteger;
import java.security.KeyStore;
import java.security.MessageDigest;
import java.security.SecureRandom;
import java.util.HashMap;
import java.util.Map;
import javax.net.ssl.SSLContext;
import javax.net.ssl.TrustManagerFactory;
import javax.net.ssl.X509TrustManager;

/** What a client of a service needs beside the language: the configuration that a distribution keeps elsewhere. */
public class Secure {
    public Map<String, Object> handle(String text) throws Exception {
        byte[] digest = MessageDigest.getInstance("SHA-256").digest(text.getBytes("UTF-8"));
        TrustManagerFactory trust = TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
        trust.init((KeyStore) null);
        SSLContext.getDefault();
        Map<String, Object> answer = new HashMap<>();
        answer.put("digest", String.format("%064x", new BigInteger(1, digest)));
        answer.put("random", new SecureRandom().nextInt());
        answer.put("authorities", ((X509TrustManager) trust.getTrustManagers()[0]).getAcceptedIssuers().length);
        return answer;
    }
}
