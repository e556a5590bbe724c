package io.datainf.engine;

import static com.tngtech.archunit.base.DescribedPredicate.not;
import static com.tngtech.archunit.core.domain.JavaClass.Predicates.resideInAPackage;
import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.classes;
import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.noClasses;
import static com.tngtech.archunit.library.Architectures.layeredArchitecture;
import static com.tngtech.archunit.library.dependencies.SlicesRuleDefinition.slices;

import com.tngtech.archunit.core.domain.JavaClass;
import com.tngtech.archunit.core.domain.JavaModifier;
import com.tngtech.archunit.core.importer.ImportOption;
import com.tngtech.archunit.junit.AnalyzeClasses;
import com.tngtech.archunit.junit.ArchTest;
import com.tngtech.archunit.lang.ArchCondition;
import com.tngtech.archunit.lang.ArchRule;
import com.tngtech.archunit.lang.ConditionEvents;
import com.tngtech.archunit.lang.SimpleConditionEvent;
import org.jspecify.annotations.NullMarked;

/** The table of packages in {@code server/ARCHITECTURE.md}, and what holds in all of them. */
@AnalyzeClasses(packages = "io.datainf.engine", importOptions = ImportOption.DoNotIncludeTests.class)
class EngineArchitectureTest {

    @ArchTest
    static final ArchRule lowerPackagesNeverImportUpperOnes = layeredArchitecture()
            .consideringOnlyDependenciesInLayers()
            .layer("run")
            .definedBy("io.datainf.engine.run..")
            .layer("influence")
            .definedBy("io.datainf.engine.influence..")
            .layer("store")
            .definedBy("io.datainf.engine.store..")
            .layer("kernel")
            .definedBy("io.datainf.engine.kernel..")
            .layer("memory")
            .definedBy("io.datainf.engine.memory..")
            .whereLayer("run")
            .mayNotBeAccessedByAnyLayer()
            .whereLayer("run")
            .mayOnlyAccessLayers("influence", "store", "kernel", "memory")
            .whereLayer("influence")
            .mayOnlyAccessLayers("kernel", "memory")
            .whereLayer("store")
            .mayOnlyAccessLayers("memory")
            .whereLayer("kernel")
            .mayOnlyAccessLayers("memory")
            .whereLayer("memory")
            .mayNotAccessAnyLayer();

    @ArchTest
    static final ArchRule everyClassIsInAPackageOfTheTable = classes()
            .that()
            .doNotHaveSimpleName("package-info")
            .should()
            .resideInAnyPackage(
                    "io.datainf.engine.run",
                    "io.datainf.engine.influence",
                    "io.datainf.engine.store",
                    "io.datainf.engine.kernel",
                    "io.datainf.engine.memory");

    @ArchTest
    static final ArchRule memoryNeedsNothingButTheJdk = classes()
            .that()
            .resideInAPackage("io.datainf.engine.memory")
            .should()
            .onlyDependOnClassesThat()
            .resideInAnyPackage("java..", "io.datainf.engine.memory", "org.jspecify.annotations");

    @ArchTest
    static final ArchRule packagesAreFreeOfCycles =
            slices().matching("io.datainf.engine.(*)..").should().beFreeOfCycles();

    @ArchTest
    static final ArchRule onlyKernelSeesSimdAndNd4j = noClasses()
            .that()
            .resideOutsideOfPackage("io.datainf.engine.kernel")
            .should()
            .dependOnClassesThat()
            .resideInAnyPackage("jdk.incubator..", "org.nd4j..", "org.bytedeco..");

    @ArchTest
    static final ArchRule nothingOfTheNetwork = noClasses()
            .should()
            .dependOnClassesThat()
            .resideInAnyPackage(
                    "io.grpc..", "com.google.protobuf..", "io.datainf.proto..", "io.micrometer..", "java.net..");

    @ArchTest
    static final ArchRule noLoggingButSlf4j =
            noClasses().should().dependOnClassesThat().resideInAPackage("java.util.logging..");

    @ArchTest
    static final ArchRule noStandardStreams = noClasses()
            .should()
            .accessField(System.class, "out")
            .orShould()
            .accessField(System.class, "err")
            .orShould()
            .callMethod(Throwable.class, "printStackTrace");

    // No package but store has formats today; the rule waits for others.
    @ArchTest
    static final ArchRule formatsAreFinalAndUsedOnlyInTheirPackage = classes()
            .that()
            .haveSimpleNameEndingWith("Format")
            .should()
            .haveModifier(JavaModifier.FINAL)
            .andShould(beUsedOnlyInItsPackage())
            .allowEmptyShould(true);

    @ArchTest
    static final ArchRule everyPackageIsNullMarked =
            classes().that(not(resideInAPackage("java.."))).should(resideInNullMarkedPackage());

    private static ArchCondition<JavaClass> beUsedOnlyInItsPackage() {
        return new ArchCondition<>("be used only inside its package") {
            @Override
            public void check(JavaClass format, ConditionEvents events) {
                format.getDirectDependenciesToSelf().stream()
                        .filter(use -> !use.getOriginClass().getPackageName().equals(format.getPackageName()))
                        .forEach(use -> events.add(SimpleConditionEvent.violated(format, use.getDescription())));
            }
        };
    }

    private static ArchCondition<JavaClass> resideInNullMarkedPackage() {
        return new ArchCondition<>("reside in a package that is @NullMarked") {
            @Override
            public void check(JavaClass javaClass, ConditionEvents events) {
                boolean marked = javaClass.getPackage().isAnnotatedWith(NullMarked.class);
                String message = "package %s of %s is%s @NullMarked"
                        .formatted(javaClass.getPackageName(), javaClass.getSimpleName(), marked ? "" : " not");
                events.add(new SimpleConditionEvent(javaClass, marked, message));
            }
        };
    }
}
