package io.datainf.sidecar.server;

import java.io.IOException;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.attribute.PosixFilePermission;
import java.nio.file.attribute.PosixFilePermissions;
import java.security.SecureRandom;
import java.util.Set;

/**
 * The file of a Unix socket. The socket is bound in a folder that only we may enter, gets its mode there and is then moved to
 * its place: so nobody finds it with the mode that the umask would give it. A process-wide umask would concern the files of
 * other threads too.
 */
final class UnixSocketFile implements AutoCloseable {

    private static final int MAX_PATH_BYTES = 107;
    // Short, so that the hidden path is hardly ever longer than the socket's own: up to 5 characters and a dot.
    private static final int NAMES = 36 * 36 * 36 * 36 * 36;
    private static final String NAME_IN_FOLDER = "s";

    private final Path path;
    private final Path hiddenFolder;
    private final Path hiddenPath;
    private boolean published;

    private UnixSocketFile(Path path, Path hiddenFolder) {
        this.path = path;
        this.hiddenFolder = hiddenFolder;
        this.hiddenPath = hiddenFolder.resolve(NAME_IN_FOLDER);
    }

    /**
     * Makes ready to bind a socket that will be at {@code path}, where a killed server may have left one.
     *
     * @throws IOException if another process listens there, or if it is no place for a socket
     */
    static UnixSocketFile prepare(Path path) throws IOException {
        requireShort(path, path);
        removeStale(path);
        String name = "." + Integer.toString(new SecureRandom().nextInt(NAMES), Character.MAX_RADIX);
        Path folder = path.resolveSibling(name);
        requireShort(path, folder.resolve(NAME_IN_FOLDER));
        Files.createDirectory(
                folder, PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rwx------")));
        return new UnixSocketFile(path, folder);
    }

    /** Where to bind the socket. */
    Path hiddenPath() {
        return hiddenPath;
    }

    /** Shows the socket, which is bound and serves, under its own path. */
    void publish(Set<PosixFilePermission> mode) throws IOException {
        Files.setPosixFilePermissions(hiddenPath, mode);
        Files.move(hiddenPath, path, StandardCopyOption.ATOMIC_MOVE);
        published = true;
        Files.delete(hiddenFolder);
    }

    /** Removes the socket; somebody else's stays. */
    @Override
    public void close() {
        if (published) {
            deleteQuietly(path);
        } else {
            deleteQuietly(hiddenPath);
        }
        deleteQuietly(hiddenFolder);
    }

    private static void requireShort(Path path, Path bound) throws IOException {
        int byteCount = bound.toString().getBytes(StandardCharsets.UTF_8).length;
        if (byteCount > MAX_PATH_BYTES) {
            throw new IOException("unix-socket is '%s': a socket's path has at most %d bytes, '%s' has %d"
                    .formatted(path, MAX_PATH_BYTES, bound, byteCount));
        }
    }

    /** Removes the socket that a killed server left behind; one that somebody listens on is an error. */
    private static void removeStale(Path path) throws IOException {
        if (!Files.exists(path)) {
            return;
        }
        try (SocketChannel probe = SocketChannel.open(StandardProtocolFamily.UNIX)) {
            probe.connect(UnixDomainSocketAddress.of(path));
        } catch (IOException refused) {
            if (Files.isRegularFile(path) || Files.isDirectory(path)) {
                throw new IOException(
                        "unix-socket is '%s': a file of that name exists and is no socket".formatted(path));
            }
            Files.delete(path);
            return;
        }
        throw new IOException("unix-socket is '%s': another process listens there".formatted(path));
    }

    private static void deleteQuietly(Path path) {
        try {
            Files.deleteIfExists(path);
        } catch (IOException e) {
            // The next start removes it.
        }
    }
}
