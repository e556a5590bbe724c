package io.datainf.sidecar.server;

import io.datainf.sidecar.doctor.Doctor;
import io.datainf.sidecar.doctor.Finding;
import java.util.List;
import java.util.Locale;
import picocli.CommandLine;
import picocli.CommandLine.Command;

/** {@code datainf-server doctor}: whether the machine suits a server with these options. */
@Command(
        name = "doctor",
        description = {
            "Looks whether this machine suits a server with the options of 'serve', which it takes from the same places:"
                    + " Java, memory, huge pages, disk and its speed, shared memory, ports, engine, GPU, clock.",
            "Prints a line for each. Exit code 0 if a server can run, 1 if one of them says FAIL.",
            ""
        },
        mixinStandardHelpOptions = true,
        sortOptions = false,
        usageHelpAutoWidth = true)
final class DoctorCommand extends ServeCommand {

    @Override
    public Integer call() {
        ServerConfig config = config();
        ServerConfig.Listeners listeners = config.listeners();
        List<Finding> findings = Doctor.examine(new Doctor.Server(
                config.storage().dataDirectory(),
                config.storage().memoryBudgetBytes(),
                config.queryLimits().maxMemoryBytes(),
                listeners.sharedMemory().folder(),
                listeners.unixSocket().isPresent() ? listeners.sharedMemory().limitBytes() : 0,
                List.of(listeners.grpc(), listeners.http()),
                config.engine()));
        findings.forEach(finding ->
                out().printf(Locale.ROOT, "%-5s %-14s %s%n", finding.level(), finding.subject(), finding.text()));
        out().flush();
        return findings.stream().anyMatch(finding -> finding.level() == Finding.Level.FAIL)
                ? CommandLine.ExitCode.SOFTWARE
                : CommandLine.ExitCode.OK;
    }
}
