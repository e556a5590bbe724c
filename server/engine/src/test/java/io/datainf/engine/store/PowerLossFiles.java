package io.datainf.engine.store;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.function.Consumer;

/**
 * The file system of one directory on a machine that may lose power at any change. Besides doing what it is asked, it knows
 * what a disk must have kept, and makes images of what it may have kept: of bytes that were not forced none, some first
 * ones, some sectors, or all; of names that were not forced the first few changes. One thread.
 */
final class PowerLossFiles implements StoreFiles {

    private static final int SECTOR_BYTES = 512;

    /** A file whatever its name. */
    private static final class Inode {
        private final ByteArrayOutputStream content = new ByteArrayOutputStream();
        private int forcedBytes;
    }

    private final Runnable afterChange;
    private final Map<Path, Inode> names = new HashMap<>();
    private final List<Consumer<Map<Path, Inode>>> unforcedNames = new ArrayList<>();
    private Map<Path, Inode> forcedNames = Map.of();

    /** {@code afterChange} runs after each change: the moment to make an image. */
    PowerLossFiles(Runnable afterChange) {
        this.afterChange = afterChange;
    }

    /** Fills a new directory with what the disk may hold if power is lost now. */
    void image(Path target, SplittableRandom random) throws IOException {
        if (Files.exists(target)) {
            DurableFiles.deleteRecursively(SYSTEM, target);
        }
        Files.createDirectory(target);
        Map<Path, Inode> kept = new HashMap<>(forcedNames);
        unforcedNames.subList(0, random.nextInt(unforcedNames.size() + 1)).forEach(change -> change.accept(kept));
        for (Map.Entry<Path, Inode> file : kept.entrySet()) {
            Files.write(target.resolve(file.getKey().getFileName()), kept(file.getValue(), random));
        }
    }

    private static byte[] kept(Inode file, SplittableRandom random) {
        byte[] content = file.content.toByteArray();
        int forced = file.forcedBytes;
        return switch (random.nextInt(4)) {
            case 0 -> Arrays.copyOf(content, forced);
            case 1 -> Arrays.copyOf(content, forced + random.nextInt(content.length - forced + 1));
            case 2 -> withoutSomeSectors(content, forced, random);
            default -> content;
        };
    }

    private static byte[] withoutSomeSectors(byte[] content, int forced, SplittableRandom random) {
        for (int start = forced; start < content.length; ) {
            int end = Math.min(content.length, start / SECTOR_BYTES * SECTOR_BYTES + SECTOR_BYTES);
            if (random.nextBoolean()) {
                Arrays.fill(content, start, end, (byte) 0);
            }
            start = end;
        }
        return content;
    }

    @Override
    public AppendFile append(Path path) throws IOException {
        AppendFile file = SYSTEM.append(path);
        Inode known = names.get(path);
        Inode inode = known == null ? new Inode() : known;
        if (known == null) {
            change(all -> all.put(path, inode));
        }
        return new AppendFile() {
            @Override
            public long length() throws IOException {
                return file.length();
            }

            @Override
            public void append(ByteBuffer[] buffers) throws IOException {
                for (ByteBuffer buffer : buffers) {
                    byte[] bytes = new byte[buffer.remaining()];
                    buffer.duplicate().get(bytes);
                    inode.content.writeBytes(bytes);
                    file.append(new ByteBuffer[] {buffer});
                    afterChange.run();
                }
            }

            @Override
            public void force() {
                inode.forcedBytes = inode.content.size();
                afterChange.run();
            }

            @Override
            public void truncate(long length) throws IOException {
                byte[] kept = Arrays.copyOf(inode.content.toByteArray(), (int) length);
                inode.content.reset();
                inode.content.writeBytes(kept);
                inode.forcedBytes = Math.min(inode.forcedBytes, (int) length);
                file.truncate(length);
                afterChange.run();
            }

            @Override
            public void close() throws IOException {
                file.close();
            }
        };
    }

    @Override
    public void createDirectory(Path directory) {
        throw new UnsupportedOperationException("one directory only");
    }

    @Override
    public void rename(Path from, Path to) throws IOException {
        SYSTEM.rename(from, to);
        change(all -> {
            Inode moved = all.remove(from);
            if (moved != null) {
                all.put(to, moved);
            }
        });
    }

    @Override
    public void delete(Path path) throws IOException {
        SYSTEM.delete(path);
        change(all -> all.remove(path));
    }

    @Override
    public void forceDirectory(Path directory) {
        forcedNames = Map.copyOf(names);
        unforcedNames.clear();
        afterChange.run();
    }

    private void change(Consumer<Map<Path, Inode>> change) {
        change.accept(names);
        unforcedNames.add(change);
        afterChange.run();
    }
}
