package io.datainf.sidecar.server;

/** Starts the sidecar. Placeholder: prints the version. */
public final class Main {

    private Main() {}

    public static void main(String[] args) {
        // Null when run from a folder of classes instead of the jar.
        String version = Main.class.getPackage().getImplementationVersion();
        System.out.println("datainf-server " + (version == null ? "development" : version));
    }
}
