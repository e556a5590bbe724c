package io.datainf.sidecar.security;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.snakeyaml.engine.v2.api.Load;
import org.snakeyaml.engine.v2.api.LoadSettings;
import org.snakeyaml.engine.v2.exceptions.YamlEngineException;

/**
 * The callers that a YAML file names, each with the SHA-256 of its token, never the token:
 *
 * <pre>
 * - name: trainer
 *   sha256: 64 hexadecimal digits
 *   scopes: [ingest, query]
 *   runs: ["exp-*"]          # optional: all
 *   quota: {streams: 8, in-flight: 16MiB, runs: 10, disk: 20GiB}   # optional, as is each of them: what other clients have
 * </pre>
 *
 * <p>A plain hash is enough, because tokens are 256 random bits. Read again by {@link #refresh()}.
 */
public final class TokenFile {

    private static final Logger LOG = LoggerFactory.getLogger(TokenFile.class);
    private static final Set<String> KEYS = Set.of("name", "sha256", "scopes", "runs", "quota");
    private static final Set<String> QUOTA_KEYS = Set.of("streams", "in-flight", "runs", "disk");
    private static final int HASH_DIGITS = 64;
    private static final String BEARER = "bearer ";

    private final Path path;
    private final Quota usual;
    private volatile String text = "";
    private volatile Map<String, Caller> callers = Map.of();

    private TokenFile(Path path, Quota usual) {
        this.path = path;
        this.usual = usual;
    }

    /**
     * Reads the file.
     *
     * @param usual quota of callers of whom it says nothing else
     * @throws IOException if it cannot be read
     * @throws IllegalArgumentException if something in it is wrong
     */
    public static TokenFile open(Path path, Quota usual) throws IOException {
        TokenFile file = new TokenFile(path, usual);
        file.read();
        return file;
    }

    /** Returns the token in a header {@code authorization}; empty if it has none. */
    public static Optional<String> bearer(@Nullable String authorization) {
        return Optional.ofNullable(authorization)
                .filter(text -> text.toLowerCase(Locale.ROOT).startsWith(BEARER))
                .map(text -> text.substring(BEARER.length()).strip());
    }

    /** Returns whose token it is; empty if nobody's. */
    public Optional<Caller> find(String token) {
        return Optional.ofNullable(callers.get(hash(token)));
    }

    /** Takes in what has changed; a file that is wrong changes nothing but the log. */
    public void refresh() {
        try {
            read();
        } catch (IOException | IllegalArgumentException e) {
            LOG.error("the tokens stay as they were: {}", e.getMessage());
        }
    }

    /** What stands in the file for a token. */
    public static String hash(String token) {
        try {
            byte[] digest = MessageDigest.getInstance("SHA-256").digest(token.getBytes(StandardCharsets.UTF_8));
            return HexFormat.of().formatHex(digest);
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException("every Java has SHA-256", e);
        }
    }

    private void read() throws IOException {
        String now = Files.readString(path);
        if (now.equals(text)) {
            return;
        }
        Map<String, Caller> read = parse(now);
        if (!text.isEmpty()) {
            LOG.info("{} tokens in {}", read.size(), path);
        }
        callers = read;
        text = now;
    }

    private Map<String, Caller> parse(String yaml) {
        Object document;
        try {
            document = new Load(LoadSettings.builder().setLabel(path.toString()).build()).loadFromString(yaml);
        } catch (YamlEngineException e) {
            throw new IllegalArgumentException("tokens file %s cannot be read: %s".formatted(path, e.getMessage()), e);
        }
        if (!(document instanceof List<?> entries) || entries.isEmpty()) {
            throw new IllegalArgumentException(
                    "tokens file %s: expected a list of entries with name, sha256, scopes, runs and quota"
                            .formatted(path));
        }
        Map<String, Caller> parsed = new LinkedHashMap<>();
        for (Object entry : entries) {
            if (!(entry instanceof Map<?, ?> fields) || !KEYS.containsAll(fields.keySet())) {
                throw new IllegalArgumentException(
                        "tokens file %s: an entry is %s: expected name, sha256, scopes, runs and quota"
                                .formatted(path, entry));
            }
            Caller caller = new Caller(text(fields, "name"), scopes(fields), runs(fields), quota(fields));
            if (parsed.put(digest(fields, caller.name()), caller) != null) {
                throw new IllegalArgumentException(
                        "tokens file %s: '%s' has the token of another entry".formatted(path, caller.name()));
            }
        }
        return Map.copyOf(parsed);
    }

    private String text(Map<?, ?> fields, String key) {
        if (fields.get(key) instanceof String value && !value.isBlank()) {
            return value;
        }
        throw new IllegalArgumentException(
                "tokens file %s: %s is %s: expected text".formatted(path, key, fields.get(key)));
    }

    private String digest(Map<?, ?> fields, String name) {
        String digest = String.valueOf(fields.get("sha256")).toLowerCase(Locale.ROOT);
        if (digest.length() != HASH_DIGITS || !digest.chars().allMatch(HexFormat::isHexDigit)) {
            throw new IllegalArgumentException("tokens file %s: sha256 of '%s' is not %d hexadecimal digits in quotes"
                    .formatted(path, name, HASH_DIGITS));
        }
        return digest;
    }

    private Set<Scope> scopes(Map<?, ?> fields) {
        Set<Scope> scopes = EnumSet.noneOf(Scope.class);
        for (String label : list(fields, "scopes", null)) {
            try {
                scopes.add(Scope.of(label));
            } catch (IllegalArgumentException e) {
                throw new IllegalArgumentException("tokens file %s: %s".formatted(path, e.getMessage()), e);
            }
        }
        return scopes;
    }

    private List<String> runs(Map<?, ?> fields) {
        return list(fields, "runs", Caller.ALL_RUNS);
    }

    private Quota quota(Map<?, ?> fields) {
        Object value = fields.get("quota");
        if (value == null) {
            return usual;
        }
        if (!(value instanceof Map<?, ?> limits) || !QUOTA_KEYS.containsAll(limits.keySet())) {
            throw new IllegalArgumentException(
                    "tokens file %s: quota is %s: expected streams, in-flight, runs and disk".formatted(path, value));
        }
        try {
            return new Quota(
                    Math.toIntExact(limit(limits, "streams", usual.streams())),
                    limit(limits, "in-flight", usual.inFlightBytes()),
                    Math.toIntExact(limit(limits, "runs", usual.runs())),
                    limit(limits, "disk", usual.diskBytes()));
        } catch (IllegalArgumentException | ArithmeticException e) {
            throw new IllegalArgumentException("tokens file %s: quota: %s".formatted(path, e.getMessage()), e);
        }
    }

    private static long limit(Map<?, ?> limits, String key, long usual) {
        Object value = limits.get(key);
        return value == null ? usual : ByteSize.parse(value.toString());
    }

    private List<String> list(Map<?, ?> fields, String key, @Nullable List<String> ifAbsent) {
        Object value = fields.get(key);
        if (value == null && ifAbsent != null) {
            return ifAbsent;
        }
        if (!(value instanceof List<?> items) || items.isEmpty()) {
            throw new IllegalArgumentException(
                    "tokens file %s: %s is %s: expected a list with at least one".formatted(path, key, value));
        }
        List<String> texts = new ArrayList<>();
        items.forEach(item -> texts.add(String.valueOf(item)));
        return texts;
    }
}
