package io.datainf.sidecar.server;

import io.datainf.sidecar.security.Scope;
import io.datainf.sidecar.security.TokenFile;
import java.security.SecureRandom;
import java.util.Base64;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.stream.Collectors;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

/** {@code datainf-server token}: a new token, and what to put into the file of tokens. */
@Command(
        name = "token",
        description = {
            "Makes a token. Prints an entry for the file of --tokens on standard output and the token, which is stored"
                    + " nowhere, on standard error:",
            "",
            "  datainf-server token --name=trainer --scopes=ingest,query --runs='exp-*' >> tokens.yaml",
            ""
        },
        mixinStandardHelpOptions = true,
        usageHelpAutoWidth = true)
@SuppressWarnings("NullAway.Init") // picocli sets the fields
final class TokenCommand implements Callable<Integer> {

    private static final int RANDOM_BYTES = 32;

    @Spec
    private CommandSpec spec;

    @Option(names = "--name", required = true, paramLabel = "NAME", description = "Whose token it is, for the log.")
    private String name;

    @Option(
            names = "--scopes",
            required = true,
            split = ",",
            paramLabel = "SCOPE",
            description = "What it allows: ingest, query, admin, metrics.")
    private List<String> scopes;

    @Option(
            names = "--runs",
            split = ",",
            defaultValue = "*",
            paramLabel = "PATTERN",
            description = "Names of the runs; * stands for any characters. Default: ${DEFAULT-VALUE}")
    private List<String> runs;

    @Override
    public Integer call() {
        try {
            scopes.forEach(Scope::of);
        } catch (IllegalArgumentException e) {
            throw new ParameterException(spec.commandLine(), String.valueOf(e.getMessage()), e);
        }
        byte[] random = new byte[RANDOM_BYTES];
        new SecureRandom().nextBytes(random);
        String token = Base64.getUrlEncoder().withoutPadding().encodeToString(random);
        spec.commandLine()
                .getOut()
                .printf(
                        "- name: %s%n  sha256: \"%s\"%n  scopes: [%s]%n  runs: [%s]%n",
                        quoted(name),
                        TokenFile.hash(token),
                        String.join(", ", scopes),
                        runs.stream().map(TokenCommand::quoted).collect(Collectors.joining(", ")));
        spec.commandLine().getOut().flush();
        spec.commandLine().getErr().println("token: " + token);
        return 0;
    }

    private static String quoted(String text) {
        return "'" + text.replace("'", "''") + "'";
    }
}
