package example;

import com.amazonaws.services.lambda.runtime.Context;
import com.amazonaws.services.lambda.runtime.RequestHandler;
import java.util.List;

abstract class GenericMiddle<T> implements RequestHandler<List<T>, String> {
    @Override
    public String handleRequest(List<T> input, Context context) {
        return input.get(0).getClass().getName();
    }
}
