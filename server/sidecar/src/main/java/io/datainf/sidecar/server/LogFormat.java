package io.datainf.sidecar.server;

import ch.qos.logback.classic.Logger;
import ch.qos.logback.classic.LoggerContext;
import ch.qos.logback.classic.encoder.JsonEncoder;
import ch.qos.logback.classic.spi.ILoggingEvent;
import ch.qos.logback.core.Appender;
import ch.qos.logback.core.OutputStreamAppender;
import org.slf4j.LoggerFactory;

/** How the log looks. */
enum LogFormat {
    /** Lines for people, as {@code logback.xml} says. */
    TEXT {
        @Override
        void apply(Logger logger) {
            // it is so already
        }
    },
    /** One JSON object a line. */
    JSON {
        @Override
        void apply(Logger logger) {
            logger.iteratorForAppenders().forEachRemaining(appender -> encode(appender, logger.getLoggerContext()));
        }
    };

    /** Has the log look so from now on. */
    void apply() {
        apply((Logger) LoggerFactory.getLogger(Logger.ROOT_LOGGER_NAME));
    }

    /** Has the appenders of one logger write so. */
    abstract void apply(Logger logger);

    private static void encode(Appender<ILoggingEvent> appender, LoggerContext context) {
        if (appender instanceof OutputStreamAppender<ILoggingEvent> stream) {
            JsonEncoder encoder = new JsonEncoder();
            encoder.setContext(context);
            encoder.setWithSequenceNumber(false);
            encoder.setWithNanoseconds(false);
            encoder.setWithContext(false);
            encoder.setWithMarkers(false);
            // The message with its arguments in their places, not both apart.
            encoder.setWithMessage(false);
            encoder.setWithFormattedMessage(true);
            encoder.setWithArguments(false);
            encoder.start();
            stream.setEncoder(encoder);
        }
    }
}
