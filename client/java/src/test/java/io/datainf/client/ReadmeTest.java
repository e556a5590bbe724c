package io.datainf.client;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.StringWriter;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.regex.MatchResult;
import java.util.regex.Pattern;
import javax.tools.JavaCompiler;
import javax.tools.JavaFileObject;
import javax.tools.SimpleJavaFileObject;
import javax.tools.ToolProvider;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The examples of README.md compile as they stand there. */
final class ReadmeTest {
    private static final Pattern EXAMPLE = Pattern.compile("```java\n(.*?)```", Pattern.DOTALL);

    @Test
    void examples_compile(@TempDir Path folder) throws Exception {
        List<String> examples = EXAMPLE.matcher(Files.readString(Path.of("README.md")))
                .results()
                .map((MatchResult result) -> result.group(1))
                .toList();
        assertThat(examples).isNotEmpty();
        JavaCompiler compiler = ToolProvider.getSystemJavaCompiler();
        for (int i = 0; i < examples.size(); i++) {
            String source = inClass("Example" + i, examples.get(i));
            StringWriter messages = new StringWriter();
            boolean compiled = compiler.getTask(
                            messages,
                            null,
                            null,
                            List.of(
                                    "-d",
                                    folder.toString(),
                                    "-cp",
                                    System.getProperty("java.class.path"),
                                    "-proc:none"),
                            null,
                            List.of(new Source("Example" + i, source)))
                    .call();
            assertThat(compiled).as(messages.toString()).isTrue();
        }
    }

    /** Puts an example where it finds what it takes as given. */
    private static String inClass(String name, String example) {
        return """
                import io.datainf.client.*;
                import java.nio.*;
                import java.time.Duration;
                abstract class %s {
                    DataInfClient client;
                    RunDescription run;
                    SampleWriter writer;
                    float[] gradient, validationGradient;
                    ByteBuffer rows;
                    abstract void use(Object... any);
                    void example() throws Exception {
                        %s
                    }
                }
                """.formatted(name, example);
    }

    private static final class Source extends SimpleJavaFileObject {
        private final String text;

        Source(String name, String text) {
            super(URI.create("string:///" + name + Kind.SOURCE.extension), JavaFileObject.Kind.SOURCE);
            this.text = text;
        }

        @Override
        public CharSequence getCharContent(boolean ignoreEncodingErrors) {
            return text;
        }
    }
}
