package io.datainf.sidecar.doctor;

import com.sun.management.OperatingSystemMXBean;
import io.datainf.engine.influence.InfluenceCalculator;
import io.datainf.engine.kernel.EngineKind;
import io.datainf.engine.kernel.EngineOptions;
import io.datainf.engine.kernel.EngineUnavailableException;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** Examines a machine for a server that is to run there. */
public final class Doctor {

    private static final Path HUGE_PAGES = Path.of("/sys/kernel/mm/transparent_hugepage/enabled");
    private static final Path LIMITS = Path.of("/proc/self/limits");
    private static final Pattern OPEN_FILES = Pattern.compile("Max open files\\s+(\\d+|unlimited)");
    private static final long FEW_FILES = 4096;
    // What a server takes beside rows and queries: heap, network, code.
    private static final long BASE_BYTES = 1L << 30;

    private Doctor() {}

    /**
     * The server to be.
     *
     * @param dataDirectory where its runs would be
     * @param memoryBudgetBytes memory for rows
     * @param queryMemoryBytes memory for queries
     * @param sharedMemoryDirectory through which writers hand samples over
     * @param sharedMemoryBytes most of that; 0: none
     * @param addresses on which it would listen; port 0: any
     * @param engine what would compute
     */
    public record Server(
            Path dataDirectory,
            long memoryBudgetBytes,
            long queryMemoryBytes,
            Path sharedMemoryDirectory,
            long sharedMemoryBytes,
            List<InetSocketAddress> addresses,
            EngineOptions engine) {

        public Server {
            addresses = List.copyOf(addresses);
        }
    }

    /** Returns what was found, a second or two later. */
    public static List<Finding> examine(Server server) {
        List<Finding> findings = new ArrayList<>();
        findings.add(java());
        findings.add(memory(server));
        findings.add(hugePages());
        findings.add(openFiles());
        findings.addAll(DiskCheck.data(server.dataDirectory()));
        if (server.sharedMemoryBytes() > 0) {
            findings.add(DiskCheck.sharedMemory(server.sharedMemoryDirectory(), server.sharedMemoryBytes()));
        }
        server.addresses().forEach(address -> findings.add(port(address)));
        findings.add(engine(server.engine()));
        findings.add(gpu(server.engine()));
        findings.add(Clock.check());
        return findings;
    }

    private static Finding java() {
        String text = "%s %s; %d processors, heap of %s, options %s"
                .formatted(
                        System.getProperty("java.vm.name"),
                        Runtime.version(),
                        Runtime.getRuntime().availableProcessors(),
                        DiskCheck.size(Runtime.getRuntime().maxMemory()),
                        ManagementFactory.getRuntimeMXBean().getInputArguments().stream()
                                .filter(option -> option.startsWith("-X"))
                                .toList());
        boolean vector = ModuleLayer.boot().findModule("jdk.incubator.vector").isPresent();
        return vector
                ? Finding.ok("java", "%s", text)
                : Finding.warn("java", "%s; without the Vector API: start it with bin/datainf-server", text);
    }

    private static Finding memory(Server server) {
        OperatingSystemMXBean system = ManagementFactory.getPlatformMXBean(OperatingSystemMXBean.class);
        long total = system.getTotalMemorySize(); // that of the container, if it has less
        long wanted = server.memoryBudgetBytes() + server.queryMemoryBytes() + server.sharedMemoryBytes() + BASE_BYTES;
        String text = "%s here; %s for rows, %s with all else"
                .formatted(DiskCheck.size(total), DiskCheck.size(server.memoryBudgetBytes()), DiskCheck.size(wanted));
        if (wanted > total) {
            return Finding.fail("memory", "%s: lower --memory-budget, or the system ends the server", text);
        }
        return wanted > system.getFreeMemorySize() + Runtime.getRuntime().totalMemory()
                ? Finding.warn("memory", "%s; %s free now", text, DiskCheck.size(system.getFreeMemorySize()))
                : Finding.ok("memory", "%s", text);
    }

    private static Finding hugePages() {
        try {
            String modes = Files.readString(HUGE_PAGES).strip();
            return modes.contains("[never]")
                    ? Finding.warn("huge-pages", "%s: rows are read faster with 'madvise' in %s", modes, HUGE_PAGES)
                    : Finding.ok("huge-pages", "%s", modes);
        } catch (IOException e) {
            return Finding.warn("huge-pages", "not known: %s", e);
        }
    }

    private static Finding openFiles() {
        try {
            Matcher matcher = OPEN_FILES.matcher(Files.readString(LIMITS));
            if (!matcher.find()) {
                return Finding.warn("open-files", "not known");
            }
            boolean few = !matcher.group(1).equals("unlimited") && Long.parseLong(matcher.group(1)) < FEW_FILES;
            return few
                    ? Finding.warn(
                            "open-files",
                            "at most %s: each connection and segment file takes one; expected %d (ulimit -n)",
                            matcher.group(1),
                            FEW_FILES)
                    : Finding.ok("open-files", "at most %s", matcher.group(1));
        } catch (IOException e) {
            return Finding.warn("open-files", "not known: %s", e);
        }
    }

    private static Finding port(InetSocketAddress address) {
        String text = "%s:%d".formatted(address.getHostString(), address.getPort());
        try (ServerSocket socket = new ServerSocket()) {
            socket.setReuseAddress(true);
            socket.bind(address);
            return Finding.ok("port", "%s is free", text);
        } catch (IOException e) {
            return Finding.fail("port", "%s cannot be bound: %s", text, String.valueOf(e.getMessage()));
        }
    }

    private static Finding engine(EngineOptions options) {
        try (InfluenceCalculator calculator = InfluenceCalculator.create(1, options)) {
            return Finding.ok("engine", "%s", calculator.engineName());
        } catch (EngineUnavailableException e) {
            return Finding.fail("engine", "%s", String.valueOf(e.getMessage()));
        }
    }

    private static Finding gpu(EngineOptions options) {
        EngineOptions gpu = new EngineOptions(EngineKind.CUBLAS, options.deviceMemoryBytes(), options.cudaLibraries());
        try (InfluenceCalculator calculator = InfluenceCalculator.create(1, gpu)) {
            return Finding.ok("gpu", "usable with --engine=%s", calculator.engineName());
        } catch (EngineUnavailableException e) {
            return Finding.ok("gpu", "none to use: %s", String.valueOf(e.getMessage()));
        }
    }
}
