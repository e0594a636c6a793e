import java.net.Socket;
import java.util.List;
import javax.net.ssl.*;

/** One TLS handshake of Java's own stack with 198.51.100.2: `java Client.java [NAME [PROTOCOL...]]`. Certificates are not looked at. */
public class Client {
    public static void main(String[] words) throws Exception {
        SSLContext context = SSLContext.getInstance("TLS");
        context.init(null, new TrustManager[] {new X509ExtendedTrustManager() {
            public void checkClientTrusted(java.security.cert.X509Certificate[] chain, String kind) {}
            public void checkServerTrusted(java.security.cert.X509Certificate[] chain, String kind) {}
            public void checkClientTrusted(java.security.cert.X509Certificate[] chain, String kind, Socket socket) {}
            public void checkServerTrusted(java.security.cert.X509Certificate[] chain, String kind, Socket socket) {}
            public void checkClientTrusted(java.security.cert.X509Certificate[] chain, String kind, SSLEngine engine) {}
            public void checkServerTrusted(java.security.cert.X509Certificate[] chain, String kind, SSLEngine engine) {}
            public java.security.cert.X509Certificate[] getAcceptedIssuers() { return new java.security.cert.X509Certificate[0]; }
        }}, null);
        try (SSLSocket socket = (SSLSocket) context.getSocketFactory().createSocket("198.51.100.2", 443)) {
            SSLParameters parameters = socket.getSSLParameters();
            if (words.length > 0 && !words[0].isEmpty()) parameters.setServerNames(List.of(new SNIHostName(words[0])));
            parameters.setApplicationProtocols(new String[] {"h2", "http/1.1"});
            if (words.length > 1) parameters.setProtocols(java.util.Arrays.copyOfRange(words, 1, words.length));
            socket.setSSLParameters(parameters);
            socket.startHandshake();
        }
    }
}
