package io.datainf.sidecar.server;

import ch.qos.logback.classic.Level;
import ch.qos.logback.classic.Logger;
import ch.qos.logback.classic.LoggerContext;
import ch.qos.logback.classic.spi.ILoggingEvent;
import ch.qos.logback.core.AppenderBase;
import io.datainf.sidecar.admin.RecentErrors;
import java.util.Optional;
import org.slf4j.LoggerFactory;

/** Tells the status page of warnings and errors in the log; without stack traces. */
final class LogReports extends AppenderBase<ILoggingEvent> implements AutoCloseable {

    private final RecentErrors errors;
    private final Logger root;

    private LogReports(RecentErrors errors, Logger root) {
        this.errors = errors;
        this.root = root;
    }

    /** Begins to listen, until closed. */
    static LogReports start(RecentErrors errors) {
        LoggerContext context = (LoggerContext) LoggerFactory.getILoggerFactory();
        Logger root = context.getLogger(org.slf4j.Logger.ROOT_LOGGER_NAME);
        LogReports reports = new LogReports(errors, root);
        reports.setContext(context);
        reports.setName("status-page");
        reports.start();
        root.addAppender(reports);
        return reports;
    }

    @Override
    public void close() {
        root.detachAppender(this);
        stop();
    }

    @Override
    protected void append(ILoggingEvent event) {
        if (event.getLevel().isGreaterOrEqual(Level.WARN)) {
            String logger = event.getLoggerName();
            errors.add(
                    "log " + event.getLevel() + " " + logger.substring(logger.lastIndexOf('.') + 1),
                    Optional.ofNullable(event.getMDCPropertyMap().get("run")),
                    event.getFormattedMessage());
        }
    }
}
