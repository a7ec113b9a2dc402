package lamina.runtime;

import java.util.Map;

/**
 * The Java runtime: what runs in an execution environment of a {@code javaN} function.
 *
 * <p>It needs nothing but the class library of Java 8. What AWS calls {@code Context} and {@code RequestHandler} are
 * interfaces of the function's own package, so they are only known by their names here.
 */
public final class Main {
    private Main() {}

    /** Become the function of the environment and serve its invocations until the process ends. */
    public static void main(String[] arguments) {
        Map<String, String> environment = System.getenv();
        Log log = new Log(environment);
        RuntimeApi api = new RuntimeApi(environment.get("AWS_LAMBDA_RUNTIME_API"));
        Handler handler;
        try {
            handler = initialise(environment, log);
        } catch (Throwable error) {
            Fault fault = Fault.of(error);
            log.fault(fault);
            end(api, fault);
            return;
        }
        try {
            serve(handler, api, log);
        } catch (RuntimeException error) {
            // Threads of the function's own must not keep a process alive that no event can reach any more.
            error.printStackTrace();
            Runtime.getRuntime().halt(1);
        }
    }

    private static Handler initialise(Map<String, String> environment, Log log) throws Throwable {
        ClassLoader loader = TaskLoader.of(environment);
        Thread.currentThread().setContextClassLoader(loader);
        Interfaces interfaces = new Interfaces(loader, new Environment(environment), log);
        return Handlers.load(environment.getOrDefault("_HANDLER", ""), loader, interfaces);
    }

    private static void serve(Handler handler, RuntimeApi api, Log log) {
        Invocation invocation = api.next();
        while (true) {
            log.begin(invocation.requestId(), invocation.tenantId());
            trace(invocation.traceId());
            Fault fault = null;
            byte[] body = null;
            try {
                body = handler.handle(invocation);
            } catch (Throwable error) {
                fault = Fault.of(error);
                log.fault(fault);
                body = fault.payload();
            }
            log.flush();
            if (fault != null && fault.fatal()) {
                // After an error of the virtual machine nothing in this process can be relied on.
                api.fail(invocation.requestId(), body, fault.type());
                Runtime.getRuntime().halt(1);
            }
            invocation = api.answer(invocation.requestId(), body, fault == null ? null : fault.type());
        }
    }

    private static void end(RuntimeApi api, Fault fault) {
        try {
            api.failInit(fault.payload(), fault.type());
        } finally {
            Runtime.getRuntime().halt(1);
        }
    }

    private static void trace(String traceId) {
        if (traceId.isEmpty()) {
            System.clearProperty("com.amazonaws.xray.traceHeader");
        } else {
            System.setProperty("com.amazonaws.xray.traceHeader", traceId);
        }
    }
}
