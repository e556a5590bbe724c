package io.datainf.sidecar.server;

import static org.assertj.core.api.Assertions.assertThat;

import ch.qos.logback.classic.Level;
import ch.qos.logback.classic.Logger;
import ch.qos.logback.classic.LoggerContext;
import ch.qos.logback.classic.encoder.PatternLayoutEncoder;
import ch.qos.logback.classic.spi.ILoggingEvent;
import ch.qos.logback.core.OutputStreamAppender;
import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import java.io.ByteArrayOutputStream;
import java.nio.charset.StandardCharsets;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.slf4j.LoggerFactory;
import org.slf4j.MDC;

class LogFormatTest {

    private final Logger logger =
            ((LoggerContext) LoggerFactory.getILoggerFactory()).getLogger("io.datainf.LogFormatTest");
    private final OutputStreamAppender<ILoggingEvent> appender = new OutputStreamAppender<>();
    private final ByteArrayOutputStream written = new ByteArrayOutputStream();

    @BeforeEach
    void open() {
        PatternLayoutEncoder text = new PatternLayoutEncoder();
        text.setContext(logger.getLoggerContext());
        text.setPattern("%level %msg%n");
        text.start();
        appender.setContext(logger.getLoggerContext());
        appender.setEncoder(text);
        appender.setOutputStream(written);
        appender.start();
        logger.setLevel(Level.INFO);
        logger.setAdditive(false);
        logger.addAppender(appender);
    }

    @AfterEach
    void close() {
        logger.detachAppender(appender);
        appender.stop();
        logger.setAdditive(true);
    }

    @Test
    void json_isOneObjectALine_withRunAndStream() {
        LogFormat.JSON.apply(logger);

        MDC.put("run", "exp \"1\"");
        MDC.put("stream", "17");
        try {
            logger.info("{} samples\nof {}", 3, "w");
        } finally {
            MDC.clear();
        }
        logger.warn("gone", new IllegalStateException("closed"));

        String[] lines = written.toString(StandardCharsets.UTF_8).split("\n", -1);
        assertThat(lines).hasSize(3).endsWith("");
        JsonObject first = JsonParser.parseString(lines[0]).getAsJsonObject();
        assertThat(first.get("level").getAsString()).isEqualTo("INFO");
        assertThat(first.get("loggerName").getAsString()).isEqualTo("io.datainf.LogFormatTest");
        assertThat(first.get("formattedMessage").getAsString()).isEqualTo("3 samples\nof w");
        assertThat(first.get("timestamp").getAsLong()).isPositive();
        assertThat(first.getAsJsonObject("mdc").get("run").getAsString()).isEqualTo("exp \"1\"");
        assertThat(first.getAsJsonObject("mdc").get("stream").getAsString()).isEqualTo("17");
        JsonObject second = JsonParser.parseString(lines[1]).getAsJsonObject();
        assertThat(second.getAsJsonObject("throwable").get("message").getAsString())
                .isEqualTo("closed");
        assertThat(second.getAsJsonObject("mdc").asMap()).isEmpty();
    }

    @Test
    void text_staysAsItIs() {
        LogFormat.TEXT.apply(logger);

        logger.info("served");

        assertThat(written.toString(StandardCharsets.UTF_8)).isEqualTo("INFO served%n".formatted());
    }
}
