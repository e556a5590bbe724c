package io.datainf.sidecar;

import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.classes;
import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.noClasses;
import static com.tngtech.archunit.library.Architectures.layeredArchitecture;
import static com.tngtech.archunit.library.GeneralCodingRules.ACCESS_STANDARD_STREAMS;
import static com.tngtech.archunit.library.GeneralCodingRules.NO_CLASSES_SHOULD_USE_JAVA_UTIL_LOGGING;
import static com.tngtech.archunit.library.dependencies.SlicesRuleDefinition.slices;

import com.tngtech.archunit.core.domain.JavaClass;
import com.tngtech.archunit.core.importer.ImportOption.DoNotIncludeTests;
import com.tngtech.archunit.junit.AnalyzeClasses;
import com.tngtech.archunit.junit.ArchTest;
import com.tngtech.archunit.lang.ArchCondition;
import com.tngtech.archunit.lang.ArchRule;
import com.tngtech.archunit.lang.ConditionEvents;
import com.tngtech.archunit.lang.SimpleConditionEvent;
import org.jspecify.annotations.NullMarked;

/** Who may see whom in the sidecar: the tables of {@code server/ARCHITECTURE.md}. */
@AnalyzeClasses(packages = "io.datainf.sidecar", importOptions = DoNotIncludeTests.class)
class SidecarArchitectureTest {

    @ArchTest
    static final ArchRule packages_seeOnlyThoseBelow = layeredArchitecture()
            .consideringOnlyDependenciesInAnyPackage("io.datainf.sidecar..")
            .withOptionalLayers(true)
            .layer("server")
            .definedBy("io.datainf.sidecar.server..")
            .layer("cli")
            .definedBy("io.datainf.sidecar.cli..")
            .layer("rpc")
            .definedBy("io.datainf.sidecar.rpc..")
            .layer("admin")
            .definedBy("io.datainf.sidecar.admin..")
            .layer("metrics")
            .definedBy("io.datainf.sidecar.metrics..")
            .layer("doctor")
            .definedBy("io.datainf.sidecar.doctor..")
            .layer("security")
            .definedBy("io.datainf.sidecar.security..")
            .layer("ingest")
            .definedBy("io.datainf.sidecar.ingest..")
            .layer("query")
            .definedBy("io.datainf.sidecar.query..")
            .layer("tracing")
            .definedBy("io.datainf.sidecar.tracing..")
            .whereLayer("tracing")
            .mayOnlyBeAccessedByLayers("server", "rpc", "ingest")
            .whereLayer("server")
            .mayOnlyBeAccessedByLayers("cli")
            .whereLayer("cli")
            .mayNotBeAccessedByAnyLayer()
            .whereLayer("rpc")
            .mayOnlyBeAccessedByLayers("server")
            .whereLayer("admin")
            .mayOnlyBeAccessedByLayers("server")
            .whereLayer("metrics")
            .mayOnlyBeAccessedByLayers("server", "admin")
            .whereLayer("doctor")
            .mayOnlyBeAccessedByLayers("server")
            .whereLayer("security")
            .mayOnlyBeAccessedByLayers("server", "rpc", "admin")
            .whereLayer("ingest")
            .mayOnlyBeAccessedByLayers("server", "rpc", "metrics")
            .whereLayer("query")
            .mayOnlyBeAccessedByLayers("server", "rpc", "metrics");

    @ArchTest
    static final ArchRule packages_haveNoCycles =
            slices().matching("io.datainf.sidecar.(*)..").should().beFreeOfCycles();

    @ArchTest
    static final ArchRule grpcAndProtos_onlyInRpcAndServer = noClasses()
            .that()
            .resideOutsideOfPackages("io.datainf.sidecar.rpc..", "io.datainf.sidecar.server..")
            .should()
            .dependOnClassesThat()
            .resideInAnyPackage("io.grpc..", "io.datainf.proto..", "com.google.protobuf..", "com.google.rpc..");

    @ArchTest
    static final ArchRule micrometer_onlyInMetricsAndServer = noClasses()
            .that()
            .resideOutsideOfPackages("io.datainf.sidecar.metrics..", "io.datainf.sidecar.server..")
            .should()
            .dependOnClassesThat()
            .resideInAnyPackage("io.micrometer..");

    @ArchTest
    static final ArchRule openTelemetry_onlyInTracing = noClasses()
            .that()
            .resideOutsideOfPackage("io.datainf.sidecar.tracing..")
            .should()
            .dependOnClassesThat()
            .resideInAnyPackage("io.opentelemetry..");

    @ArchTest
    static final ArchRule nd4j_nowhere =
            noClasses().should().dependOnClassesThat().resideInAnyPackage("org.nd4j..", "org.bytedeco..");

    @ArchTest
    static final ArchRule statuses_onlyInTheMapper = noClasses()
            .that()
            .resideInAPackage("io.datainf.sidecar.rpc..")
            .and()
            .doNotHaveSimpleName("StatusMapper")
            .should()
            .dependOnClassesThat()
            .haveFullyQualifiedName("io.grpc.Status")
            .orShould()
            .dependOnClassesThat()
            .haveFullyQualifiedName("com.google.rpc.Code");

    @ArchTest
    static final ArchRule filesOfTheStore_onlyThroughRuns = noClasses()
            .that()
            .resideInAnyPackage("io.datainf.sidecar.ingest..", "io.datainf.sidecar.query..")
            .should()
            .dependOnClassesThat()
            .resideInAnyPackage("io.datainf.engine.store..", "io.datainf.engine.kernel..", "java.nio.file..");

    @ArchTest
    static final ArchRule standardStreams_onlyInProgramsForPeople = noClasses()
            .that()
            .resideOutsideOfPackages("io.datainf.sidecar.cli..", "io.datainf.sidecar.server..")
            .should(ACCESS_STANDARD_STREAMS);

    @ArchTest
    static final ArchRule logging_goesThroughSlf4j = NO_CLASSES_SHOULD_USE_JAVA_UTIL_LOGGING;

    @ArchTest
    static final ArchRule packages_areNullMarked = classes().should(resideInANullMarkedPackage());

    private static ArchCondition<JavaClass> resideInANullMarkedPackage() {
        return new ArchCondition<>("reside in a package with @NullMarked") {
            @Override
            public void check(JavaClass item, ConditionEvents events) {
                boolean marked = item.getPackage().isAnnotatedWith(NullMarked.class);
                events.add(new SimpleConditionEvent(
                        item, marked, "%s: package-info.java without @NullMarked".formatted(item.getName())));
            }
        };
    }
}
