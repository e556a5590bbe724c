package io.datainf.engine.store;

import java.io.Closeable;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;

/** A file that grows at its end. One thread. */
public interface AppendFile extends Closeable {

    /** Length of the file, bytes. */
    long length() throws IOException;

    /** Appends all bytes that remain in the buffers. */
    void append(ByteBuffer[] buffers) throws IOException;

    /** Makes everything appended durable. */
    void force() throws IOException;

    /** Cuts the file off. */
    void truncate(long length) throws IOException;

    /** Opens a file of the file system. */
    static AppendFile open(Path path) throws IOException {
        FileChannel channel =
                FileChannel.open(path, StandardOpenOption.CREATE, StandardOpenOption.WRITE, StandardOpenOption.APPEND);
        return new AppendFile() {
            @Override
            public long length() throws IOException {
                return channel.size();
            }

            @Override
            public void append(ByteBuffer[] buffers) throws IOException {
                for (int first = 0; first < buffers.length; ) {
                    if (buffers[first].hasRemaining()) {
                        channel.write(buffers, first, buffers.length - first);
                    } else {
                        first++;
                    }
                }
            }

            @Override
            public void force() throws IOException {
                channel.force(false);
            }

            @Override
            public void truncate(long length) throws IOException {
                channel.truncate(length);
            }

            @Override
            public void close() throws IOException {
                channel.close();
            }
        };
    }
}
