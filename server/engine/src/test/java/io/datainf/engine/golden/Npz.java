package io.datainf.engine.golden;

import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.HashMap;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import java.util.zip.ZipEntry;
import java.util.zip.ZipInputStream;

/** The arrays of a numpy {@code .npz} file: float32, float64, int64 and str, little-endian; given in C order whatever the order in the file. */
public final class Npz {

    private static final Pattern HEADER =
            Pattern.compile("\\{'descr': '([^']*)', 'fortran_order': (True|False), 'shape': \\(([^)]*)\\), \\}\\s*");
    private static final int PREFIX_BYTES = 10; // magic, version, length of the header

    @SuppressWarnings("ArrayRecordComponent") // not shared
    private record Array(String type, int[] shape, ByteBuffer data) {}

    private final Map<String, Array> arrays = new HashMap<>();

    /** Reads all arrays. */
    public static Npz read(InputStream input) throws IOException {
        Npz npz = new Npz();
        try (ZipInputStream zip = new ZipInputStream(input)) {
            for (ZipEntry entry = zip.getNextEntry(); entry != null; entry = zip.getNextEntry()) {
                npz.arrays.put(entry.getName().replaceFirst("\\.npy$", ""), parse(zip.readAllBytes()));
            }
        }
        return npz;
    }

    private static Array parse(byte[] file) throws IOException {
        ByteBuffer bytes = ByteBuffer.wrap(file).order(ByteOrder.LITTLE_ENDIAN);
        int headerBytes = bytes.getShort(PREFIX_BYTES - 2) & 0xffff;
        Matcher header = HEADER.matcher(new String(file, PREFIX_BYTES, headerBytes, StandardCharsets.ISO_8859_1));
        if (bytes.get(6) != 1 || !header.matches()) {
            throw new IOException("not a .npy file of version 1");
        }
        int[] shape = Stream.of(header.group(3).split(","))
                .map(String::strip)
                .filter(part -> !part.isEmpty())
                .mapToInt(Integer::parseInt)
                .toArray();
        int start = PREFIX_BYTES + headerBytes;
        ByteBuffer data = bytes.slice(start, file.length - start).order(ByteOrder.LITTLE_ENDIAN);
        boolean columnMajor = header.group(2).equals("True");
        return new Array(header.group(1), shape, columnMajor ? toRowMajor(data, shape) : data);
    }

    /** Element (i_0, .., i_last) of a Fortran-order array lies at i_0 + s_0 (i_1 + s_1 (..)). */
    private static ByteBuffer toRowMajor(ByteBuffer source, int[] shape) {
        int count = IntStream.of(shape).reduce(1, Math::multiplyExact);
        int elementBytes = source.remaining() / count;
        ByteBuffer target = ByteBuffer.allocate(source.remaining()).order(ByteOrder.LITTLE_ENDIAN);
        for (int rowMajor = 0; rowMajor < count; rowMajor++) {
            int rest = rowMajor;
            int columnMajor = 0;
            for (int axis = shape.length - 1, block = count; axis >= 0; axis--) {
                block /= shape[axis];
                columnMajor += rest % shape[axis] * block;
                rest /= shape[axis];
            }
            target.put(rowMajor * elementBytes, source, columnMajor * elementBytes, elementBytes);
        }
        return target;
    }

    /** Whether there is an array of this name. */
    public boolean has(String name) {
        return arrays.containsKey(name);
    }

    /** Sizes of an array. */
    public int[] shape(String name) {
        return get(name).shape().clone();
    }

    /** Elements of a float32 array, flat. */
    public float[] floats(String name) {
        Array array = typed(name, "<f4");
        float[] values = new float[array.data().remaining() / Float.BYTES];
        array.data().duplicate().order(ByteOrder.LITTLE_ENDIAN).asFloatBuffer().get(values);
        return values;
    }

    /** Elements of a float64 array, flat. */
    public double[] doubles(String name) {
        Array array = typed(name, "<f8");
        double[] values = new double[array.data().remaining() / Double.BYTES];
        array.data().duplicate().order(ByteOrder.LITTLE_ENDIAN).asDoubleBuffer().get(values);
        return values;
    }

    /** Elements of an int64 array, flat. */
    public long[] longs(String name) {
        Array array = typed(name, "<i8");
        long[] values = new long[array.data().remaining() / Long.BYTES];
        array.data().duplicate().order(ByteOrder.LITTLE_ENDIAN).asLongBuffer().get(values);
        return values;
    }

    /** Elements of a str array, flat. */
    public String[] strings(String name) {
        Array array = get(name);
        int codePoints = Integer.parseInt(array.type().substring("<U".length()));
        String[] values = new String[array.data().remaining() / (codePoints * Integer.BYTES)];
        for (int i = 0; i < values.length; i++) {
            StringBuilder value = new StringBuilder();
            for (int c = 0; c < codePoints; c++) {
                int codePoint = array.data().getInt((i * codePoints + c) * Integer.BYTES);
                if (codePoint != 0) {
                    value.appendCodePoint(codePoint);
                }
            }
            values[i] = value.toString();
        }
        return values;
    }

    private Array typed(String name, String type) {
        Array array = get(name);
        if (!array.type().equals(type)) {
            throw new IllegalArgumentException("%s is %s: expected %s".formatted(name, array.type(), type));
        }
        return array;
    }

    private Array get(String name) {
        Array array = arrays.get(name);
        if (array == null) {
            throw new IllegalArgumentException("no array '%s' among %s".formatted(name, arrays.keySet()));
        }
        return array;
    }
}
