package io.datainf.sidecar.security;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class TokenFileTest {

    private static final String ENTRY = """
            - name: trainer
              sha256: "%s"
              scopes: [ingest, query]
              runs: ["exp-*"]
            """;

    private Path path;

    @BeforeEach
    void choosePath(@TempDir Path folder) {
        path = folder.resolve("tokens.yaml");
    }

    private TokenFile open(String text) throws IOException {
        Files.writeString(path, text);
        return TokenFile.open(path, Quota.DEFAULT);
    }

    @Test
    void find_knownToken_isItsCaller() throws IOException {
        TokenFile file = open(ENTRY.formatted(TokenFile.hash("secret")));

        assertThat(file.find("secret"))
                .contains(new Caller("trainer", Set.of(Scope.INGEST, Scope.QUERY), List.of("exp-*"), Quota.DEFAULT));
        assertThat(file.find("Secret")).isEmpty();
        assertThat(file.find(TokenFile.hash("secret"))).isEmpty();
    }

    @Test
    void quota_overridesWhatOthersHave() throws IOException {
        TokenFile file = open(
                ENTRY.formatted(TokenFile.hash("secret")) + "  quota: {streams: 8, in-flight: 16MiB, disk: 20GiB}\n");

        assertThat(file.find("secret").orElseThrow().quota())
                .isEqualTo(new Quota(8, 16 << 20, Quota.DEFAULT.runs(), 20L << 30));
    }

    @Test
    void quota_wrong_isNamed() {
        for (String wrong : List.of("{streams: 0}", "{disk: much}", "{rate: 7}", "7", "{runs: 3000000000}")) {
            assertThatIllegalArgumentException()
                    .isThrownBy(() -> open(ENTRY.formatted(TokenFile.hash("secret")) + "  quota: " + wrong + "\n"))
                    .withMessageContainingAll(path.toString(), "quota");
        }
    }

    @Test
    void refresh_takesInWhatIsRightAndKeepsTheRest() throws IOException {
        TokenFile file = open(ENTRY.formatted(TokenFile.hash("first")));

        Files.writeString(path, ENTRY.formatted("no hash"));
        file.refresh();
        assertThat(file.find("first")).isPresent();

        Files.writeString(path, ENTRY.formatted(TokenFile.hash("second")));
        file.refresh();
        assertThat(file.find("first")).isEmpty();
        assertThat(file.find("second")).isPresent();
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "sha256: \"%s\" | sha256: 1234 | sha256 of 'trainer'",
                "[ingest, query] | [ingest, root] | 'root'",
                "[ingest, query] | [] | scopes",
                "name: trainer | name: 7 | name is 7",
                "runs: | run: | run=",
            })
    void open_wrongEntry_namesWhatIsWrong(String right, String wrong, String named) {
        String text = ENTRY.replace(right, wrong).replace("%s", TokenFile.hash("secret"));

        assertThatIllegalArgumentException()
                .isThrownBy(() -> open(text))
                .withMessageContaining(path.toString())
                .withMessageContaining(named);
    }

    @ParameterizedTest
    @CsvSource({
        "*, any-run, true",
        "exp-*, exp-7, true",
        "exp-*, my-exp-7, false",
        "a.c, abc, false",
        "a*c*, a-c, true",
        "a, ab, false"
    })
    void mayUse_matchesWholeNames(String pattern, String runId, boolean allowed) {
        assertThat(new Caller("n", Set.of(), List.of(pattern), Quota.DEFAULT).mayUse(runId))
                .isEqualTo(allowed);
    }
}
