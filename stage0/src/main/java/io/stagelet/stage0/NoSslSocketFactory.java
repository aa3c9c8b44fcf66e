package io.stagelet.stage0;

import java.io.IOException;
import java.net.InetAddress;
import java.net.Socket;
import javax.net.ssl.SSLSocketFactory;

/** Makes no sockets: whoever speaks TLS here says how. */
final class NoSslSocketFactory extends SSLSocketFactory {
  private static final String[] NONE = {};

  private static IOException refusal() {
    return new IOException("no way to speak TLS was chosen for this connection");
  }

  @Override
  public String[] getDefaultCipherSuites() {
    return NONE;
  }

  @Override
  public String[] getSupportedCipherSuites() {
    return NONE;
  }

  @Override
  public Socket createSocket(Socket socket, String host, int port, boolean autoClose)
      throws IOException {
    throw refusal();
  }

  @Override
  public Socket createSocket(String host, int port) throws IOException {
    throw refusal();
  }

  @Override
  public Socket createSocket(String host, int port, InetAddress localHost, int localPort)
      throws IOException {
    throw refusal();
  }

  @Override
  public Socket createSocket(InetAddress host, int port) throws IOException {
    throw refusal();
  }

  @Override
  public Socket createSocket(InetAddress host, int port, InetAddress local, int localPort)
      throws IOException {
    throw refusal();
  }
}
